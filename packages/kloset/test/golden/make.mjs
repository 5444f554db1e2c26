// Makes the golden stores that are not there yet: `node test/golden/make.mjs` in packages/kloset, with a Node that writes zstd (22.15 or
// later). Each version of the format leaves some, and none is ever made again: what they hold must stay readable.
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const outDir = here('../../node_modules/.golden')
try {
  const entry = { maker: here('./maker.ts') }
  await build({ entry, outDir, format: 'esm', platform: 'node', target: 'node20', config: false, silent: true })
  const { makeGoldenStores } = await import(`${outDir}/maker.js`)
  await makeGoldenStores(here('../fixtures'))
} finally {
  rmSync(outDir, { recursive: true, force: true })
}
