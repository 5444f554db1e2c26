// `npm run bench:remote`: kloset beside restic on the same S3 and SFTP servers on loopback, near and with latency added.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root, temporaryFolder } from '../scripts/run.mjs'
import { differences, sizeOfTree } from '../scripts/trees.mjs'
import { generatedTree, largeFile, realTree } from './data.mjs'
import { measure } from './measure.mjs'
import { remoteTools } from './remote-tools.mjs'
import { datasetReport, machineReport, writeBetweenMarkers } from './report.mjs'

const help = `npm run bench:remote -- [options]        (build first: npm run setup)

  --runs N       runs of everything, in turns; the median counts (1)
  --tree DIR     a real tree to back up (default: a generated one)
  --files N      files of the generated tree (10000)
  --large SIZE   also a large file of so many bytes, on S3
  --latency MS   what the far servers add to each round trip (50)
  --line BYTES   a second that pass the line to the third S3 server (125000000: a gigabit)
  --only NAMES   of s3,s3-far,s3-line,sftp,sftp-far, with commas between
  --work DIR     where to work (/dev/shm)
  --node PATH    another Node to run kloset with, too; may be repeated
  --no-write     leave docs/benchmarks.md as it is`

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '1' },
    tree: { type: 'string' },
    files: { type: 'string', default: '10000' },
    large: { type: 'string' },
    latency: { type: 'string', default: '50' },
    line: { type: 'string', default: '125000000' },
    only: { type: 'string' },
    work: { type: 'string', default: '/dev/shm' },
    node: { type: 'string', multiple: true, default: [] },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(help)
  process.exit(0)
}

const work = temporaryFolder('kloset-bench', options.work)
const runs = Number(options.runs)
const tools = remoteTools(options.node)
const lines = {
  near: '',
  far: `, ${options.latency} ms away`,
  line: `, over a line of ${Number(options.line) / 125_000} Mbit/s`,
}
const parts = [machineReport({ tools, runs, place: 'servers, data and restored files on the same machine' })]
const many = (folder) =>
  options.tree ? realTree(resolve(options.tree), folder) : generatedTree(folder, Number(options.files))
await measureOn(many, ['s3', 's3-far', 'sftp', 'sftp-far'])
if (options.large) await measureOn((folder) => largeFile(folder, Number(options.large)), ['s3', 's3-far', 's3-line'])

const text = parts.join('\n\n')
console.log(`\n${text}\n`)
if (!options['no-write']) writeBetweenMarkers(join(root, 'docs/benchmarks.md'), text, 'remote')

/** Measures everything with some data on those of the places that there are and that are wanted. */
async function measureOn(makeData, places) {
  const data = makeData(join(work, 'data'))
  const size = sizeOfTree(data.folder)
  for (const where of places) {
    if (options.only && !options.only.split(',').includes(where)) continue
    const [kind, how = 'near'] = where.split('-')
    // New ones for each place: what is deleted stays in their memory, and where it is full they only wait.
    const servers = await startServers()
    const server = servers.where[kind]
    if (server === undefined) {
      await servers.stop()
      continue
    }
    const title = `${kind === 's3' ? "S3 (Ceph's gateway)" : 'SFTP (OpenSSH)'}${lines[how]}: ${data.name}`
    console.error(`\n${title}`)
    const results = measureAll({ kind, server, data, port: server[how] })
    parts.push(datasetReport({ name: title, size }, results))
    await servers.stop()
  }
  rmSync(data.folder, { recursive: true })
}

function measureAll(where) {
  const results = new Map(tools.map(({ name }) => [name, new Map()]))
  for (let round = 1; round <= runs; round++) {
    for (const tool of tools) {
      const folder = tool.name.replaceAll(/\W+/g, '-').toLowerCase()
      const place = {
        ...where,
        name: `${folder}-${sizeOfTree(where.data.folder).files}-${where.port}-${round}`,
        cache: join(work, `cache-${folder}`),
      }
      for (const [step, costs] of measureOnce(tool, place, round)) {
        const steps = results.get(tool.name)
        steps.set(step, [...(steps.get(step) ?? []), costs])
      }
    }
  }
  return results
}

/** Every step of one program on a fresh store; caches are kept from step to step, as they are in life. */
function measureOnce(tool, place, round) {
  const { folder, change } = place.data
  const to = join(work, 'restored')
  for (const each of [to, place.cache]) mkdirSync(each, { recursive: true })
  const steps = new Map()
  const step = (name, command) => {
    const costs = measure(command, work)
    steps.set(name, costs)
    console.error(
      `  ${round}. ${tool.name.padEnd(15)} ${name.padEnd(10)} ${costs.wall.toFixed(2)} s, CPU ${costs.cpu.toFixed(2)} s`,
    )
  }
  try {
    measure(tool.create(place), work)
    step('first', tool.backup(place, folder))
    step('unchanged', tool.backup(place, folder))
    change(folder, `${tool.name} ${place.port} ${round}`)
    step('changed', tool.backup(place, folder))
    step('check', tool.check(place))
    step('restore', tool.restore(place, to))
    const reading = tool.reading?.(place)
    if (reading) step('reading', reading)
    if (tool.name.startsWith('kloset') && round === 1) {
      const found = differences(folder, to)
      if (found.length > 0) throw new Error(`the restored tree differs:\n${found.slice(0, 10).join('\n')}`)
    }
  } finally {
    for (const each of [to, place.cache]) rmSync(each, { recursive: true, force: true })
  }
  return steps
}

async function startServers() {
  if (!existsSync(join(root, 'packages/cli/dist/cli.js')))
    throw new Error('There is nothing to measure yet: npm run setup')
  const script = fileURLToPath(new URL('./servers.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, '--latency', options.latency, '--line', options.line], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const stop = async () => {
    child.stdin.end()
    await once(child, 'exit')
  }
  return { where: JSON.parse(line), stop }
}
