import { mkdtempSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'vite'

/** A module of this package in a form that threads can load, and how to remove it: they cannot load TypeScript. */
export interface Bundled {
  readonly url: URL
  remove(): void
}

/** Bundles the TypeScript file at `path`, relative to this package's folder. */
export async function bundled(path: string): Promise<Bundled> {
  const home = fileURLToPath(new URL('../..', import.meta.url))
  // It has to be where its dependencies are found.
  const folder = mkdtempSync(join(home, 'node_modules/test-'))
  await build({
    configFile: false,
    root: home,
    logLevel: 'error',
    build: { ssr: join(home, path), outDir: folder, target: 'node20' },
  })
  return {
    url: pathToFileURL(join(folder, basename(path).replace(/\.ts$/, '.js'))),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
