import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    chunk: 'src/chunk/index.ts',
    pack: 'src/pack/index.ts',
    snapshot: 'src/snapshot/index.ts',
    verify: 'src/verify/index.ts',
    connector: 'src/connector/index.ts',
    conformance: 'src/conformance/index.ts',
    // Found beside the bundle that asks for it: `new URL('./kloset-worker.js', import.meta.url)`.
    'kloset-worker': 'src/kloset-worker.ts',
  },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  splitting: true,
  dts: true,
  clean: true,
  sourcemap: false,
})
