// `npm run bench`: kloset side by side with what is installed of restic, borg, tar with lz4, and cp, on the same data, in turns.
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, temporaryFolder } from '../scripts/run.mjs'
import { differences, sizeOfTree } from '../scripts/trees.mjs'
import { generatedTree, hasKernelSource, kernelTree, largeFile, realTree } from './data.mjs'
import { measure } from './measure.mjs'
import { datasetReport, machineReport, startReport, writeBetweenMarkers } from './report.mjs'
import { installedTools } from './tools.mjs'

const help = `npm run bench -- [options]        (build first: npm run setup)

  --runs N       runs of everything, in turns; the median counts (3)
  --tree DIR     a real tree to back up; may be repeated (Debian's linux-source-6.1 where installed; 'none' for none)
  --files N      files of the generated tree (20000; 0 for none)
  --large SIZE   size of the large file, such as 2G (512M; 0 for none)
  --only NAMES   programs to run, with commas between: kloset,restic,borg,'tar | lz4','cp -a'
  --node PATH    another Node to run kloset with, too; may be repeated
  --work DIR     where to work; it needs about five times the largest data (/dev/shm where that is large enough)
  --no-write     leave docs/benchmarks.md as it is`

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    tree: { type: 'string', multiple: true },
    files: { type: 'string', default: '20000' },
    large: { type: 'string', default: '512M' },
    only: { type: 'string' },
    node: { type: 'string', multiple: true, default: [] },
    work: { type: 'string' },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(help)
  process.exit(0)
}
if (!existsSync(join(root, 'packages/cli/dist/cli.js'))) {
  console.error('There is nothing to measure yet: npm run setup')
  process.exit(1)
}

const runs = Number(options.runs)
const parent = options.work ?? roomiestPlace()
const work = temporaryFolder('kloset-bench', parent)
const only = options.only?.split(',').map((name) => name.trim())
const tools = installedTools(options.node).filter(
  (tool) => only === undefined || only.some((name) => tool.name.startsWith(name)),
)

const parts = [
  machineReport({
    tools,
    runs,
    place: `${onMemory(parent) ? 'data and stores in memory (tmpfs)' : 'data and stores on disk'}`,
  }),
]
for (const makeData of datasets()) {
  const data = makeData(join(work, 'data'))
  console.error(`\n${data.name}`)
  const size = sizeOfTree(data.folder)
  parts.push(datasetReport({ name: data.name, size }, measureAll(data)))
  rmSync(data.folder, { recursive: true, force: true })
}
parts.push(measureStart())

const text = parts.join('\n\n')
console.log(`\n${text}\n`)
if (!options['no-write']) {
  writeBetweenMarkers(join(root, 'docs/benchmarks.md'), text)
  console.error('Written to docs/benchmarks.md.')
}

function datasets() {
  const made = []
  const trees = options.tree ?? (hasKernelSource() ? [undefined] : [])
  for (const tree of trees) {
    if (tree === 'none') continue
    made.push((folder) => (tree === undefined ? kernelTree(folder) : realTree(resolve(tree), folder)))
  }
  const files = Number(options.files)
  if (files > 0) made.push((folder) => generatedTree(folder, files))
  const large = bytesOf(options.large)
  if (large > 0) made.push((folder) => largeFile(folder, large))
  return made
}

function measureAll(data) {
  const results = new Map(tools.map((tool) => [tool.name, new Map()]))
  for (let round = 1; round <= runs; round++) {
    for (const tool of tools) {
      const steps = measureOnce(tool, data, round)
      for (const [step, costs] of steps)
        results.get(tool.name).set(step, [...(results.get(tool.name).get(step) ?? []), costs])
    }
  }
  return results
}

/** Every step of one program on a fresh store. */
function measureOnce(tool, data, round) {
  const [at, to] = [join(work, 'at'), join(work, 'restored')]
  for (const folder of [at, to]) mkdirSync(folder)
  const steps = new Map()
  const step = (name, command) => {
    // What the step before left to be written is not this one's cost.
    run('sync', [])
    const before = storedIn(at)
    const costs = measure(command, work)
    steps.set(name, { ...costs, stored: storedIn(at) - before })
    const memory = costs.memory === undefined ? '' : `, ${Math.round(costs.memory / 1e6)} MB`
    console.error(
      `  ${round}. ${tool.name.padEnd(12)} ${name.padEnd(10)} ${costs.wall.toFixed(2)} s, CPU ${costs.cpu.toFixed(2)} s${memory}`,
    )
  }
  try {
    if (tool.create) measure(tool.create(at), work)
    step('first', tool.backup(at, data.folder))
    if (tool.again) {
      step('unchanged', tool.backup(at, data.folder))
      data.change(data.folder, `${tool.name} ${round}`)
      step('changed', tool.backup(at, data.folder))
      step('check', tool.check(at))
    }
    step('restore', tool.restore(at, to))
    if (tool.name === 'kloset' && round === 1) expectSame(data.folder, to)
  } finally {
    for (const folder of [at, to]) rmSync(folder, { recursive: true, force: true })
  }
  return steps
}

// A fast restore of something else would be worth nothing.
function expectSame(source, restored) {
  const found = differences(source, restored)
  if (found.length > 0) throw new Error(`the restored tree differs:\n${found.slice(0, 10).join('\n')}`)
}

function measureStart() {
  const [kloset, node] = [[], []]
  const cli = join(root, 'packages/cli/dist/cli.js')
  for (let i = 0; i < 15; i++) {
    kloset.push(measure({ command: process.execPath, args: [cli, 'version'] }, work).wall)
    node.push(measure({ command: process.execPath, args: ['-e', '0'] }, work).wall)
  }
  return startReport(kloset, node)
}

function storedIn(at) {
  const folder = join(at, 'store')
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0)
}

function roomiestPlace() {
  return existsSync('/dev/shm') && freeBytes('/dev/shm') > 8e9 ? '/dev/shm' : tmpdir()
}

function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

function onMemory(folder) {
  return statfsSync(folder).type === 0x01021994
}

function bytesOf(text) {
  const [, number, unit] = /^([\d.]+)([KMGT]?)i?B?$/i.exec(text) ?? []
  if (number === undefined) throw new Error(`'${text}' is no size: write it like 512M or 2G`)
  return Number(number) * 1000 ** ['', 'K', 'M', 'G', 'T'].indexOf((unit ?? '').toUpperCase())
}
