import { defineConfig } from 'tsup'

export default defineConfig({
  entry: { index: 'src/index.ts', 'fs-worker': 'src/fs-worker.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  splitting: true,
  dts: true,
  clean: true,
})
