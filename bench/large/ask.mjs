// Opens a store, lists its snapshots and looks chunks up, in a process of its own: what it took, as JSON.
import { pathToFileURL } from 'node:url'
import { openedStore } from '../../packages/kloset/src/facade.ts'
import { createEngine, openStore } from '../../packages/kloset/src/index.ts'
import { passphrase, putId } from './shape.mjs'

const [place, connector, worker, cache, chunks] = process.argv.slice(2)
const times = {}
const cpu = {}
let last = performance.now()
let used = cpuTime()
const lap = (name) => {
  times[name] = performance.now() - last
  cpu[name] = cpuTime() - used
  start()
}
const start = () => {
  last = performance.now()
  used = cpuTime()
}

const { fs } = await import(pathToFileURL(connector).href)
const engine = createEngine({ worker: pathToFileURL(worker) })
const unlock = { passphrase }
const store = await openStore(place, {
  connectors: [fs],
  engine,
  unlock,
  cache: cache === '' ? false : { folder: cache },
})
lap('open')
let snapshots = 0
for await (const _ of store.snapshots()) snapshots++
lap('list')
const { table } = await openedStore(store).loaded()
lap('index')
const memory = process.memoryUsage.rss()

const known = ids(1_000, (i) => Math.floor((i * Number(chunks)) / 1_000))
const unknown = ids(100_000, (i) => 3_000_000_000 + i)
start()
for (const id of known) if (table.locate(id)?.length !== 65_536) throw new Error('a chunk was not found')
lap('thousand')
const many = ids(100_000, (i) => Math.floor((i * Number(chunks)) / 100_000))
table.has(known[0])
start()
for (const id of many) if (!table.has(id)) throw new Error('a chunk was not found')
lap('known')
for (const id of unknown) if (table.has(id)) throw new Error('a chunk was found that is not there')
lap('unknown')
await store.close()
await engine.close()
lap('close')
const peak = process.resourceUsage().maxRSS * 1024
console.log(
  JSON.stringify({ snapshots, memory, peak, files: table.files.length, inMemory: table.inMemory, times, cpu }),
)

/** Milliseconds of all threads. */
function cpuTime() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function ids(count, numberOf) {
  return Array.from({ length: count }, (_, i) => {
    const words = new Int32Array(8)
    putId(words, 0, numberOf(i))
    return new Uint8Array(words.buffer)
  })
}
