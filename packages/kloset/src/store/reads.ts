import type { Bytes } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import type { FrameRef } from '../index/index.js'
import { packObject } from '../pack/index.js'
import { packHeaderLength } from '../pack/reader.js'
import { alone, type ReadMemory } from './read-memory.js'

/** A blob that is wanted, and where it is. */
export interface Placed {
  readonly frame: FrameRef
  /** Offset in the raw frame. */
  readonly offset: number
}

/** Frames of one pack that are read with one request, and what is wanted of them, in the order of the pack. */
export interface PackRead<T extends Placed> {
  readonly pack: Bytes
  /** Bytes of the pack's file to read. */
  readonly from: number
  readonly to: number
  readonly frames: readonly FrameRef[]
  readonly wanted: readonly T[]
}

/** Frames this near to each other are read together: the bytes between cost less than another request. */
export const gap: number = 128 * 1024

/** Plans how to read blobs: each frame once, in the order of packs, with requests of at most about `most` bytes. */
export function planReads<T extends Placed>(blobs: readonly T[], most: number): PackRead<T>[] {
  const wanted = [...blobs].sort((a, b) => a.frame.number - b.frame.number || a.offset - b.offset)
  const reads: PackRead<T>[] = []
  for (let i = 0; i < wanted.length; ) {
    const first = wanted[i]!.frame
    const start = i
    let last = first
    const frames: FrameRef[] = []
    for (; i < wanted.length; i++) {
      const { frame } = wanted[i]!
      if (frames.length > 0 && frame.number === last.number) continue
      if (frames.length > 0 && !joins(first, last, frame, most)) break
      frames.push(frame)
      last = frame
    }
    const to = last.offset + last.sealedLength
    reads.push({ pack: first.pack, from: first.offset, to, frames, wanted: wanted.slice(start, i) })
  }
  return reads
}

function joins(first: FrameRef, last: FrameRef, next: FrameRef, most: number): boolean {
  // Frames of a pack are numbered in a row: another pack has a jump in ordinals, offsets or both.
  if (next.number - last.number !== next.ordinal - last.ordinal || next.offset <= last.offset) return false
  const end = next.offset + next.sealedLength
  return next.offset - (last.offset + last.sealedLength) <= gap && end - first.offset <= most
}

/** What was read of a pack. */
export interface ReadFrames {
  /** The first bytes of the pack: its header. */
  readonly header: Bytes
  readonly bytes: Uint8Array
  /** Where in the file `bytes` start. */
  readonly from: number
}

/** Carries out {@link planReads}. The header of a pack is read once, with its first frames where they are near. */
export class PackRanges {
  readonly #storage: Storage
  readonly #call: Call
  readonly #told: (bytes: number) => void
  readonly #memory: ReadMemory | undefined
  readonly #headers = new Map<string, Promise<Bytes>>()

  /** `told` hears how many bytes were read; `memory` is for whoever gives it back. */
  constructor(storage: Storage, call: Call, told: (bytes: number) => void, memory?: ReadMemory) {
    this.#storage = storage
    this.#call = call
    this.#told = told
    this.#memory = memory
  }

  async read({ pack, from, to }: Pick<PackRead<Placed>, 'pack' | 'from' | 'to'>): Promise<ReadFrames> {
    const name = packObject(pack)
    const known = this.#headers.get(name)
    if (known === undefined && from <= gap) {
      const bytes = this.#get(name, 0, to, this.#memory)
      const header = this.#keep(
        name,
        bytes.then((start) => start.slice(0, packHeaderLength)),
      )
      return { header: await header, bytes: await bytes, from: 0 }
    }
    // Where the request that was to bring the header failed, this one may still succeed.
    const header = known?.catch(() => this.#header(name)) ?? this.#header(name)
    const [first, bytes] = await Promise.all([header, this.#get(name, from, to, this.#memory)])
    return { header: first, bytes, from }
  }

  #header(name: string): Promise<Bytes> {
    return this.#headers.get(name) ?? this.#keep(name, this.#get(name, 0, packHeaderLength).then(alone))
  }

  /** Whoever asks for the header meanwhile waits for the same. */
  #keep(name: string, header: Promise<Bytes>): Promise<Bytes> {
    this.#headers.set(name, header)
    header.catch(() => this.#headers.delete(name))
    return header
  }

  async #get(name: string, from: number, to: number, memory?: ReadMemory): Promise<Uint8Array> {
    const length = to - from
    const how = { ...this.#call, range: { offset: from, length } }
    const bytes = await (memory?.get(this.#storage, name, length, how) ?? this.#storage.get(name, how))
    this.#told(length)
    return bytes
  }
}
