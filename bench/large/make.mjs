// Makes a store of many snapshots and chunks: its config, index segments, log and checkpoint, as the engine writes them. There are no packs.
import { pathToFileURL } from 'node:url'
import { openedStore } from '../../packages/kloset/src/facade.ts'
import { encodeSegment } from '../../packages/kloset/src/index/segment.ts'
import { createStore } from '../../packages/kloset/src/index.ts'
import { chunkSize, chunksInFrame, framesInPack, passphrase, putId, recordsInSegment } from './shape.mjs'

const [place, connector, snapshots, chunks] = process.argv.slice(2)
const { fs } = await import(pathToFileURL(connector).href)
const store = openedStore(await createStore(place, { connectors: [fs], unlock: { passphrase } }))
const call = { signal: new AbortController().signal }

const segments = []
for (let first = 0; first < Number(chunks); first += recordsInSegment) {
  const { name, bytes } = encodeSegment(
    store.keyring,
    segmentOf(first, Math.min(recordsInSegment, Number(chunks) - first)),
  )
  await store.storage.put(`index/${name}`, bytes, { ...call, ifAbsent: false, tier: 'hot' })
  segments.push(name)
}

const every = Math.max(1, Math.floor(Number(snapshots) / segments.length))
let parent
for (let i = 0; i < Number(snapshots); i++) {
  const id = hex(16, i)
  const snapshot = {
    id,
    time: new Date(1_600_000_000_000 + i * 3_600_000).toISOString(),
    duration: 12_345,
    host: 'server-1',
    user: 'backup',
    tags: ['daily', 'home'],
    ...(parent && { parent }),
    tool: 'kloset 0.1.0',
    domain: 0,
    sources: [
      {
        type: 'fs',
        origin: 'server-1',
        root: '/home/someone/documents',
        tree: hex(32, i + 1_000_000_000),
        totals: { files: 123_456, directories: 7_890, others: 12, bytes: 98_765_432_100, errors: 0 },
      },
    ],
    written: { blobs: 1_000, bytes: 65_536_000, stored: 32_768_000 },
  }
  parent = id
  const last = i === Number(snapshots) - 1
  const added = i % every === 0 || last ? segments.splice(0, last ? segments.length : 1) : []
  const draft = { content: { kind: 'snapshot', snapshot }, segmentsAdded: added }
  await store.log.append(draft, { ...call, since: store.log.state.position, reconsider: () => draft })
}
await store.log.checkpoint(call)
await store.close()

function segmentOf(first, count) {
  const frameCount = Math.ceil(count / chunksInFrame)
  const packs = []
  for (let frame = 0; frame < frameCount; frame += framesInPack) {
    const frames = new Uint32Array(3 * Math.min(framesInPack, frameCount - frame))
    for (let i = 0; i < frames.length / 3; i++)
      frames.set([46 + i * 1_000_000, 1_000_000, chunksInFrame * chunkSize], 3 * i)
    packs.push({
      name: new Uint8Array(Buffer.from(hex(32, first + frame + 2_000_000_000), 'hex')),
      size: 60 + 1_000_000 * (frames.length / 3),
      frames,
    })
  }
  const records = new Uint8Array(count * 44)
  const words = new Int32Array(records.buffer)
  for (let i = 0; i < count; i++) {
    putId(words, 11 * i, first + i)
    words.set([Math.floor(i / chunksInFrame), (i % chunksInFrame) * chunkSize, chunkSize], 11 * i + 8)
  }
  return { class: 'data', domain: 0, packs, records }
}

function hex(length, i) {
  const words = new Int32Array(8)
  putId(words, 0, i)
  return Buffer.from(words.buffer, 0, length).toString('hex')
}
