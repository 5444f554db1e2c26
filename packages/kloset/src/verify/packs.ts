import type { CheckOptions, Finding } from '../api.js'
import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import type { IndexedPack, IndexTable } from '../index/index.js'
import { limits, packObject } from '../pack/index.js'
import type { OpenedStore } from '../store/opened.js'
import { movable, ReadMemory } from '../store/read-memory.js'
import { finding } from './findings.js'
import type { Lost } from './lost.js'
import type { VerifyInit, VerifyMessage } from './messages.js'
import type { VerifiedPack } from './pack.js'
import type { CheckReport } from './report.js'

/** Verifies that the packs of the index are among those listed, with their sizes; returns those that can be read. */
export async function* checkPresence(
  store: OpenedStore,
  index: IndexTable,
  sizes: ReadonlyMap<string, number>,
  lost: Lost,
  call: Call,
): AsyncGenerator<Finding, readonly IndexedPack[]> {
  await lookAgain(store, index, sizes, call)
  const present: IndexedPack[] = []
  const indexed = new Set<string>()
  for (const pack of index.packs()) {
    const object = packObject(pack.name)
    const size = sizes.get(object)
    if (indexed.has(object)) yield finding('index-mismatch', object, `segments of the index disagree about ${object}`)
    indexed.add(object)
    if (isPurged(store, pack.name)) {
      lost.purged(pack.name)
      continue
    }
    if (size === undefined) {
      lost.pack(pack.name)
      yield finding('pack-missing', object, `${object} is missing`)
      continue
    }
    if (size !== pack.size) {
      loseBeyond(pack, size, lost)
      yield finding('pack-size', object, `${object} has ${size} bytes instead of ${pack.size}`)
    }
    if (size <= limits.pack) present.push(pack)
  }
  const orphans = [...sizes].filter(([object]) => !indexed.has(object))
  if (orphans.length > 0) {
    const bytes = orphans.reduce((sum, [, size]) => sum + size, 0)
    const text = `${orphans.length} packs of ${bytes} bytes are not part of the index, such as ${orphans[0]![0]}`
    yield finding('orphan-pack', orphans[0]![0], text)
  }
  return present
}

/** Where a pack is missing that should be there, a prune may have been at work since the log was read (protocol rule 14). */
async function lookAgain(
  store: OpenedStore,
  index: IndexTable,
  sizes: ReadonlyMap<string, number>,
  call: Call,
): Promise<void> {
  for (const { name } of index.packs()) {
    if (sizes.has(packObject(name)) || isPurged(store, name)) continue
    await store.log.refresh(call)
    return
  }
}

/** Whether the log says that a pack is gone, or may be at any moment. */
function isPurged({ log }: OpenedStore, name: Uint8Array): boolean {
  const fate = log.state.packs.get(toHex(name))?.fate
  return fate === 'purging' || fate === 'dead'
}

/** Of a pack that was cut off, the frames before its end may still be whole. */
function loseBeyond({ name, frames }: IndexedPack, size: number, lost: Lost): void {
  for (let i = 0; i < frames.length; i += 3) if (frames[i]! + frames[i + 1]! > size) lost.frame(name, i / 3)
}

/** The packs that are read: all, or those whose turn it is by their names. */
export function due(
  packs: readonly IndexedPack[],
  read: Exclude<CheckOptions['read'], undefined | 'structure'>,
): IndexedPack[] {
  if (read === 'all') return [...packs]
  const rounds = Math.ceil(100 / read.percent)
  return packs.filter(({ name }) => (name[0]! * 65_536 + name[1]! * 256 + name[2]!) % rounds === read.round % rounds)
}

/** Reads packs and verifies everything in them. */
export async function readPacks(
  store: OpenedStore,
  index: IndexTable,
  lost: Lost,
  packs: readonly IndexedPack[],
  report: CheckReport,
  call: Call,
): Promise<Finding[]> {
  report.phase = 'read'
  report.total = { entries: packs.length, bytes: packs.reduce((sum, { size }) => sum + size, 0) }
  const init: VerifyInit = { material: store.keyring.material, index: index.share() }
  const jobs = await store.startJobs('verify', init)
  const found: Finding[] = []
  let next = 0
  const reading: Reading = {
    store,
    lost,
    memory: new ReadMemory(packs.reduce((most, { size }) => Math.max(most, size), 0)),
    call,
  }
  const lane = async (worker: number): Promise<void> => {
    const verify: Verify = (message, moved) => jobs.call(worker, message, moved) as Promise<VerifiedPack>
    for (let pack = packs[next++]; pack !== undefined; pack = packs[next++]) {
      call.signal.throwIfAborted()
      found.push(...(await readPack(reading, pack, verify)))
      report.entries++
      report.bytes += pack.size
      report.tell()
    }
  }
  try {
    // Two a worker: one being verified, one being read.
    await Promise.all(Array.from({ length: jobs.size * 2 }, (_, i) => lane(i % jobs.size)))
  } finally {
    await jobs.end()
  }
  return found
}

/** What reading packs needs. */
interface Reading {
  readonly store: OpenedStore
  readonly lost: Lost
  readonly memory: ReadMemory
  readonly call: Call
}

type Verify = (message: VerifyMessage, moved: readonly ArrayBuffer[]) => Promise<VerifiedPack>

async function readPack(reading: Reading, pack: IndexedPack, verify: Verify, again = false): Promise<Finding[]> {
  const { store, lost, memory, call } = reading
  const { name, frames, size } = pack
  const object = packObject(name)
  let read: Uint8Array
  try {
    read = await memory.get(store.storage, object, size, { ...call, range: undefined })
  } catch (error) {
    if (!isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
    await store.log.refresh(call)
    if (isPurged(store, name)) {
      lost.purged(name)
      return []
    }
    lost.pack(name)
    return [finding('pack-missing', object, `${object} is missing`)]
  }
  const { bytes: file, moved } = movable(read)
  const reply = await verify({ name, file, frames }, moved)
  memory.give(file)
  // A network may have changed it on the way: what is damaged is damaged twice.
  if (reply.findings.length > 0 && !again) return readPack(reading, pack, verify, true)
  for (const { frame, id } of reply.findings) {
    if (id !== undefined) lost.blob(name, id)
    else if (frame !== undefined) lost.frame(name, frame)
  }
  return reply.findings.map(({ code, message }) => finding(code, object, message))
}
