import type { Bytes, Call, Content, Destination, Entry, Source, WorkerSide } from '../../connector/contract.js'
import { checkBytes, fail } from '../assert.js'
import { bytesOf, calm, entriesOf } from '../source/subject.js'

/** What a case about a destination works with. */
export interface Subject {
  readonly destination: Destination
  readonly writer: Writer
  /** What is there now. */
  readonly seen: Source
}

/** What the plain methods and a worker's side both do. */
export interface Writer {
  make(entry: Entry): Promise<void>
  /** Writes the file; with `breaking`, something goes wrong in the middle. */
  write(entry: Entry, bytes: Bytes, breaking?: 'breaking'): Promise<void>
  finish(folder: Entry): Promise<void>
}

/** Writes with the plain methods. */
export function plainWriter(destination: Destination): Writer {
  return {
    make: (entry) => destination.create(entry, calm),
    write: (entry, bytes, breaking) =>
      destination.write({ ...entry, size: bytes.length }, contentOf(bytes, breaking), calm),
    finish: async (folder) => destination.finish?.(folder, calm),
  }
}

/** Writes as the engine's workers do. */
export function sideWriter(side: WorkerSide): Writer {
  const { create, make, finish } = side
  if (!create || !make) return fail('the side of a destination writes and makes')
  return {
    make: async (entry) => make.call(side, entry),
    finish: async (folder) => finish?.call(side, folder),

    async write(entry, bytes, breaking) {
      const whole = { ...entry, size: bytes.length }
      const first = create.call(side, whole)
      const half = bytes.length >> 1
      first.write(bytes.subarray(half), half)
      if (breaking) {
        first.abort()
        throw new Error(broken)
      }
      // A large file is written by several workers, and any of them may be the last.
      const second = create.call(side, whole, first.handle)
      first.release()
      second.write(bytes.subarray(0, half), 0)
      second.commit()
    },
  }
}

/** What a broken write throws. */
export const broken = 'broken off in the middle'

/** Requires that the file at `path` holds `bytes`. */
export async function checkFile(seen: Source, path: string, bytes: Uint8Array): Promise<void> {
  const entry = await entryAt(seen, path)
  if (entry?.type !== 'file') fail(`there is a file at ${path}, not ${entry?.type ?? 'nothing'}`)
  checkBytes(await bytesOf(seen, entry), bytes, `the file ${path}`)
}

/** What is at `path` now. */
export async function entryAt(seen: Source, path: string): Promise<Entry | undefined> {
  return (await entriesOf(seen)).find((entry) => entry.path === path)
}

/** The paths of everything but the root. */
export async function pathsIn(seen: Source): Promise<string[]> {
  return (await entriesOf(seen)).map(({ path }) => path).filter((path) => path !== '')
}

/** A call that was aborted, and why. */
export function aborted(): { readonly call: Call; readonly reason: Error } {
  const reason = new Error('aborted before the call')
  return { call: { signal: AbortSignal.abort(reason) }, reason }
}

/** The content that a file is to have, in pieces. */
export function contentOf(bytes: Bytes, breaking?: 'breaking'): Content {
  return {
    size: bytes.length,
    bytes: async () => bytes.slice(),
    text: async () => new TextDecoder().decode(bytes),
    stream: (range) => new Blob([bytes.slice(range?.start, range?.end)]).stream() as ReadableStream<Bytes>,
    async *[Symbol.asyncIterator]() {
      const half = bytes.length >> 1
      if (half > 0) yield bytes.slice(0, half)
      if (breaking) throw new Error(broken)
      if (bytes.length > half) yield bytes.slice(half)
    },
  }
}
