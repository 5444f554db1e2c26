import { type Bytes, ByteWriter, fromHex } from '../../bytes/index.js'
import type { Keyring } from '../../crypto/index.js'
import { createHasher } from '../../hash/index.js'
import { runtime } from '../../runtime/index.js'
import { sealBlock } from './blocks.js'
import { note } from './filter.js'
import {
  blockFrames,
  blockRows,
  blockSize,
  compareRows,
  encodeTrailer,
  fenceOf,
  fileKey,
  filterWords,
  frameLength,
  macLength,
  nonceLength,
  rowLength,
  rowOffset,
  rowOrdinal,
  rowPack,
  rowsSize,
  u16At,
  u32At,
} from './layout.js'
import { Merging } from './merging.js'
import type { Rows, SortedSource } from './sources.js'

/** What a new sorted file says besides what is in its sources. */
export interface SortedContents {
  /** The names of the segments that the sources are of. */
  readonly covers: readonly string[]
  /** The position of the log whose segments these are. */
  readonly position: number
}

/**
 * The bytes of a sorted file of what all `sources` say, each pack and record once. A part is to be used before the next is asked for.
 * Besides the sources it needs memory for fences, filter, and twelve bytes a pack.
 */
export function* sortedFile(
  keyring: Keyring,
  sources: readonly SortedSource[],
  { covers, position }: SortedContents,
): Generator<Uint8Array> {
  const nonce = runtime.randomBytes(nonceLength)
  const key = fileKey(keyring, nonce)
  const blocks = new BlockWriter(key)
  const packs = mergePacks(sources)
  const packFences = yield* writePacks(blocks, sources, packs)
  yield* writeFrames(blocks, sources, packs)
  const records = yield* writeRecords(blocks, sources, packs)
  const directory = directoryOf(covers, packFences, records.fences)
  yield directory
  yield records.filter
  yield encodeTrailer(key, {
    nonce,
    position,
    packs: packs.count,
    frames: packs.frames,
    records: records.count,
    segments: covers.length,
    directoryMac: macOf(key, directory),
    filterMac: macOf(key, records.filter),
  })
}

/** The packs of all sources, each once, in their order. */
interface MergedPacks {
  readonly count: number
  readonly frames: number
  /** Of each: a source that has it, and which of its packs it is there. */
  readonly sources: Uint32Array
  readonly places: Uint32Array
  /** Of each source: for each of its packs the number it has here. */
  readonly numbers: readonly Uint32Array[]
}

function mergePacks(sources: readonly SortedSource[]): MergedPacks {
  const most = sources.reduce((sum, { packCount }) => sum + packCount, 0)
  const from = new Uint32Array(most)
  const places = new Uint32Array(most)
  const numbers = sources.map(({ packCount }) => new Uint32Array(packCount))
  const seen = sources.map(() => 0)
  const merging = new Merging(sources.map((source) => source.packRows()))
  // The rows so far with the name of the last one: one, unless segments disagree about a pack.
  const alike: { readonly number: number; readonly row: Bytes; readonly source: SortedSource }[] = []
  let count = 0
  let frames = 0
  while (merging.next()) {
    const place = seen[merging.source!]!++
    const source = sources[merging.source!]!
    const { bytes, at } = merging.row
    if (alike.length > 0 && compareRows(alike[0]!.row, 0, bytes, at) !== 0) alike.length = 0
    const row = bytes.slice(at, at + rowLength) as Bytes
    let number = alike.find((other) => samePack(other, { row, source }))?.number
    if (number === undefined) {
      number = count++
      from[number] = merging.source!
      places[number] = place
      frames += u16At(row, rowOrdinal)
      alike.push({ number, row, source })
    }
    numbers[merging.source!]![place] = number
  }
  return { count, frames, sources: from, places, numbers }
}

/** Goes through the merged packs: the source each is taken from, and its row there. */
function* rowsOf(
  sources: readonly SortedSource[],
  packs: MergedPacks,
): Generator<{ readonly source: SortedSource; readonly row: Rows }> {
  const merging = new Merging(sources.map((source) => source.packRows()))
  const seen = sources.map(() => 0)
  for (let number = 0; number < packs.count && merging.next(); ) {
    const place = seen[merging.source!]!++
    if (merging.source !== packs.sources[number] || place !== packs.places[number]) continue
    yield { source: sources[packs.sources[number++]!]!, row: merging.row }
  }
}

function samePack(
  a: { readonly row: Bytes; readonly source: SortedSource },
  b: { readonly row: Bytes; readonly source: SortedSource },
): boolean {
  for (let i = rowOrdinal; i < rowLength; i++) if (a.row[i] !== b.row[i]) return false
  const count = u16At(a.row, rowOrdinal)
  const frames = a.source.frames(u32At(a.row, rowPack), count)
  const others = b.source.frames(u32At(b.row, rowPack), count)
  return frames.every((byte, i) => byte === others[i])
}

function* writePacks(
  blocks: BlockWriter,
  sources: readonly SortedSource[],
  packs: MergedPacks,
): Generator<Uint8Array, Uint32Array> {
  const fences = new Uint32Array(Math.ceil(packs.count / blockRows))
  const numbered = new Uint8Array(rowLength)
  const view = new DataView(numbered.buffer)
  let number = 0
  let frames = 0
  for (const { row } of rowsOf(sources, packs)) {
    numbered.set(row.bytes.subarray(row.at, row.at + rowLength))
    view.setUint32(rowPack, frames, true)
    frames += u16At(numbered, rowOrdinal)
    if (number % blockRows === 0) fences[number / blockRows] = fenceOf(numbered, 0)
    number++
    if (blocks.row(numbered, 0)) yield blocks.take()
  }
  blocks.endKind()
  yield blocks.take()
  return fences
}

function* writeFrames(
  blocks: BlockWriter,
  sources: readonly SortedSource[],
  packs: MergedPacks,
): Generator<Uint8Array, void> {
  for (const { source, row } of rowsOf(sources, packs)) {
    const frames = source.frames(u32At(row.bytes, row.at + rowPack), u16At(row.bytes, row.at + rowOrdinal))
    for (let at = 0; at < frames.length; at += frameLength) if (blocks.frame(frames, at)) yield blocks.take()
  }
  blocks.endKind()
  yield blocks.take()
}

interface WrittenRecords {
  readonly count: number
  readonly fences: Uint32Array
  /** The bytes of the filter. */
  readonly filter: Uint8Array
}

function* writeRecords(
  blocks: BlockWriter,
  sources: readonly SortedSource[],
  packs: MergedPacks,
): Generator<Uint8Array, WrittenRecords> {
  const most = Math.ceil(sources.reduce((sum, { records }) => sum + records, 0) / blockRows)
  const fences = new Uint32Array(most)
  const filter = new Int32Array(most * filterWords)
  const merging = new Merging(sources.map((source) => source.recordRows()))
  const places = new Places()
  const row = new Uint8Array(rowLength)
  let count = 0
  while (merging.next()) {
    numbered(row, merging.row, packs.numbers[merging.source!]!)
    if (!places.takes(row)) continue
    const block = Math.floor(count / blockRows)
    if (count % blockRows === 0) fences[block] = fenceOf(row, 0)
    note(filter, block, row, 0)
    count++
    if (blocks.row(row, 0)) yield blocks.take()
  }
  blocks.endKind()
  yield blocks.take()
  const used = Math.ceil(count / blockRows)
  return {
    count,
    fences: fences.subarray(0, used),
    filter: new Uint8Array(filter.buffer, 0, used * filterWords * 4),
  }
}

/** Copies a row of a source, with the number its pack has now. */
function numbered(row: Uint8Array, { bytes, at }: Rows, numbers: Uint32Array): void {
  for (let i = 0; i < rowLength; i++) row[i] = bytes[at + i]!
  const pack = numbers[u32At(row, rowPack)]!
  row[rowPack] = pack
  row[rowPack + 1] = pack >>> 8
  row[rowPack + 2] = pack >>> 16
  row[rowPack + 3] = pack >>> 24
}

/** Tells which of the records of one id say something new. */
class Places {
  readonly #id = new Uint8Array(32)
  readonly #known: number[] = []

  takes(row: Uint8Array): boolean {
    const [pack, ordinal, offset] = [u32At(row, rowPack), u16At(row, rowOrdinal), u32At(row, rowOffset)]
    const known = this.#known
    if (known.length === 0 || compareRows(this.#id, 0, row, 0) !== 0) {
      for (let i = 0; i < 32; i++) this.#id[i] = row[i]!
      known.length = 0
    }
    for (let i = 0; i < known.length; i += 3) {
      if (known[i] === pack && known[i + 1] === ordinal && known[i + 2] === offset) return false
    }
    known.push(pack, ordinal, offset)
    return true
  }
}

function directoryOf(covers: readonly string[], packFences: Uint32Array, recordFences: Uint32Array): Bytes {
  const writer = new ByteWriter(32 * covers.length + 4 * (packFences.length + recordFences.length))
  for (const name of covers) writer.bytes(fromHex(name))
  for (const fence of packFences) writer.u32(fence)
  for (const fence of recordFences) writer.u32(fence)
  return writer.finish()
}

function macOf(key: Uint8Array, bytes: Uint8Array): Bytes {
  return createHasher(key).update(bytes).digest().slice(0, macLength)
}

/** Puts rows and frames into blocks. */
class BlockWriter {
  readonly #key: Uint8Array
  readonly #bytes = new Uint8Array(blocksAtOnce * blockSize)
  /** Where the open block starts, how much of it is used, and by how many. */
  #at = 0
  #used = 0
  #count = 0
  #number = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** Adds a row; true when it is time to {@link take}. */
  row(bytes: Uint8Array, at: number): boolean {
    this.#copy(bytes, at, rowLength)
    return this.#count === blockRows && this.#end()
  }

  /** Adds a frame; true when it is time to {@link take}. */
  frame(bytes: Uint8Array, at: number): boolean {
    this.#copy(bytes, at, frameLength)
    return this.#count === blockFrames && this.#end()
  }

  /** What comes next is of another kind, and starts a block. */
  endKind(): void {
    if (this.#count > 0) this.#end()
  }

  /** The blocks that are done. They are good until the next row. */
  take(): Uint8Array {
    const done = this.#bytes.subarray(0, this.#at)
    this.#at = 0
    return done
  }

  #copy(bytes: Uint8Array, at: number, length: number): void {
    const to = this.#at + this.#used
    for (let i = 0; i < length; i++) this.#bytes[to + i] = bytes[at + i]!
    this.#used += length
    this.#count++
  }

  #end(): boolean {
    this.#bytes.fill(0, this.#at + this.#used, this.#at + rowsSize)
    sealBlock(this.#bytes, this.#at, this.#number++, this.#count, this.#key)
    this.#at += blockSize
    this.#used = 0
    this.#count = 0
    return this.#at === this.#bytes.length
  }
}

/** How many blocks are given at once. */
const blocksAtOnce = 64
