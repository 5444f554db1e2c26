import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string }

export default defineConfig({
  // The workers are looked for beside the code that starts them: `new URL('./kloset-worker.js', import.meta.url)`. The engine's
  // is named by its file, because its package declares that its modules have no side effects: an import of it that takes
  // nothing from it would be dropped.
  entry: { cli: 'src/cli.ts', 'kloset-worker': '../kloset/dist/kloset-worker.js', 'fs-worker': 'src/fs-worker.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  splitting: true,
  clean: true,
  minify: true,
  define: { KLOSET_VERSION: JSON.stringify(version) },
  // All in one folder that needs nothing else installed, but for native modules, which may be absent: koffi, and those by which
  // ssh2 would be a little faster.
  noExternal: [/^(?!koffi$|cpu-features$|node:|.*\.node$)/],
  external: ['cpu-features', /\.node$/],
  // The engine's chunks name each other for nothing but their order, which has no effect, as its package says.
  esbuildOptions: (options) => {
    options.logOverride = { ...options.logOverride, 'ignored-bare-import': 'silent' }
  },
  // Commander, ssh2 and others are CommonJS: they require Node's modules, and know their folder.
  banner: {
    js: "import { createRequire as kloset$require } from 'node:module'; const require = kloset$require(import.meta.url), __dirname = import.meta.dirname;",
  },
})
