// `npm run bench:large`: opens a store of many snapshots and chunks, from an empty cache and from a full one.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'vite'
import { root, temporaryFolder } from '../scripts/run.mjs'
import { largeStoreReport, writeBetweenMarkers } from './report.mjs'

const help = `npm run bench:large -- [options]        (build first: npm run setup)

  --snapshots N  snapshots of the store (10000)
  --chunks N     chunks of the store (10000000)
  --runs N       runs with a full cache; the median counts (3)
  --work DIR     where to work: 200 bytes a chunk (/dev/shm where there is one)
  --no-write     leave docs/benchmarks.md as it is`

const { values: options } = parseArgs({
  options: {
    snapshots: { type: 'string', default: '10000' },
    chunks: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '3' },
    'no-write': { type: 'boolean', default: false },
    work: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(help)
  process.exit(0)
}

// Both need what the package does not export, so they are bundled with it; beside its dependencies.
const bundle = temporaryFolder('bench', join(root, 'packages/kloset/node_modules'))
await build({
  configFile: false,
  root,
  logLevel: 'error',
  build: {
    ssr: true,
    outDir: bundle,
    target: 'node20',
    rollupOptions: {
      input: {
        make: join(root, 'bench/large/make.mjs'),
        ask: join(root, 'bench/large/ask.mjs'),
        'kloset-worker': join(root, 'packages/kloset/src/kloset-worker.ts'),
      },
      output: { entryFileNames: '[name].js' },
    },
  },
})
const connector = join(root, 'packages/connector-fs/dist/index.js')
const work = temporaryFolder('kloset-index', options.work)
const place = join(work, 'store')
const cache = join(work, 'cache')

console.error('making the store …')
runNode('make.js', place, connector, options.snapshots, options.chunks)
console.error('opening it …')
const results = new Map([
  ['no cache: all in memory', ask('')],
  ['empty cache', ask(cache)],
])
const runs = Array.from({ length: Number(options.runs) }, () => ask(cache)).sort((a, b) => total(a) - total(b))
results.set('full cache', runs[runs.length >> 1])
const text = largeStoreReport({
  snapshots: Number(options.snapshots),
  chunks: Number(options.chunks),
  segments: sizeOf(join(place, 'index')),
  cache: sizeOf(cache),
  results,
})
console.log(text)
if (!options['no-write']) writeBetweenMarkers(join(root, 'docs/benchmarks.md'), text, 'large')

function ask(folder) {
  return JSON.parse(runNode('ask.js', place, connector, join(bundle, 'kloset-worker.js'), folder, options.chunks))
}

/** Milliseconds until the first answer. */
function total({ times }) {
  return times.open + times.list + times.index
}

function runNode(program, ...args) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [join(bundle, program), ...args], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ended with ${status}\n${stdout}${stderr}`)
  return stdout
}

function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0)
}
