import type { Call, Entry, Failure, Filter, Range, Source, WorkerSide } from '../../connector/contract.js'
import { everything } from '../../connector/filter.js'
import { check, fail } from '../assert.js'

/** What a case about a source works with. */
export interface Subject {
  readonly source: Source
  readonly side: WorkerSide | undefined
  readonly expected: Readonly<Record<string, boolean>>
}

/** A call that is never aborted. */
export const calm: Call = { signal: new AbortController().signal }

/** Everything a scan yields, none of it a failure. */
export async function entriesOf(source: Source, under = '', filter: Filter = everything): Promise<Entry[]> {
  const found: Entry[] = []
  for await (const batch of source.scan({ ...calm, filter, under })) found.push(...batch.map(entryOf))
  return found
}

/** The entry that was yielded. */
export function entryOf(scanned: Entry | Failure): Entry {
  if ('error' in scanned) fail(`everything in the source can be read, but ${scanned.path} failed: ${scanned.error}`)
  return scanned
}

/** All bytes that a read yields. */
export async function bytesOf(source: Source, entry: Entry, range?: Range): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of source.read(entry, { ...calm, range })) {
    check(piece instanceof Uint8Array, 'a read yields Uint8Arrays')
    // A copy: whoever reads does not keep what it was given.
    pieces.push(piece.slice())
    size += piece.length
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** The files of the source: at most twenty, spread over it, with the largest among them. */
export async function someFiles(source: Source): Promise<Entry[]> {
  const files = (await entriesOf(source)).filter(({ type }) => type === 'file')
  const largest = files.reduce<Entry | undefined>((a, b) => ((a?.size ?? -1) >= (b.size ?? 0) ? a : b), undefined)
  const step = Math.ceil(files.length / 19)
  const some = files.filter((file, at) => at % step === 0 && file !== largest)
  return largest ? [largest, ...some] : some
}

/** Whether `path` is `folder` or below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}
