import { concatBytes, fromHex, MalformedError, text, toHex, utf8 } from '../bytes/index.js'
import type { PostedError } from '../runtime/jobs.js'
import { errorOfPosted, postedError } from '../runtime/posted.js'
import type { Entry, Failure } from './contract.js'

/**
 * Entries as bytes for a while: blocks of their length as u32 and a JSON array. They are read by the process that wrote them, so this
 * is no format that has to stay.
 */
export async function* writeRun(items: readonly (Entry | Failure)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (let i = 0; i < items.length; i += blockItems) {
    // Lone surrogates of paths are escaped by JSON, so they survive UTF-8.
    const block = utf8(JSON.stringify(items.slice(i, i + blockItems).map(toPlain)))
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, block.length, true)
    yield concatBytes(length, block)
  }
}

/** Reads what {@link writeRun} wrote, block by block. */
export async function* readRun(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly (Entry | Failure)[], void, undefined> {
  let left = new Uint8Array(0)
  for await (const chunk of chunks) {
    left = concatBytes(left, chunk)
    let at = 0
    for (let end = endOfBlock(left, at); end <= left.length; end = endOfBlock(left, at)) {
      yield (JSON.parse(text(left.subarray(at + 4, end))) as Plain[]).map(fromPlain)
      at = end
    }
    left = left.slice(at)
  }
  if (left.length > 0) throw new MalformedError('what was spilled while sorting came back cut off')
}

const blockItems = 256

// An entry as JSON can hold it: big numbers as text, bytes as hexadecimal digits.
type Plain =
  | { readonly path: string; readonly error: PostedError }
  | (Omit<Entry, 'mtime' | 'ctime' | 'birthtime' | 'inode' | 'xattrs'> & {
      readonly times?: readonly (string | null)[]
      readonly inode?: readonly [device: string, number: string, links: number]
      readonly xattrs?: Readonly<Record<string, string>>
    })

function toPlain(item: Entry | Failure): Plain {
  if (!('type' in item)) return { path: item.path, error: postedError(item.error) }
  const { mtime, ctime, birthtime, inode, xattrs, ...rest } = item
  const times = [mtime, ctime, birthtime].map((time) => (time === undefined ? null : String(time)))
  return {
    ...rest,
    ...(times.some((time) => time !== null) ? { times } : {}),
    ...(inode === undefined ? {} : { inode: [String(inode.device), String(inode.number), inode.links] }),
    ...(xattrs === undefined ? {} : { xattrs: mapValues(xattrs, toHex) }),
  }
}

function fromPlain(plain: Plain): Entry | Failure {
  if (!('type' in plain)) return { path: plain.path, error: errorOfPosted(plain.error) }
  const { times = [], inode, xattrs, ...rest } = plain
  const [mtime, ctime, birthtime] = times.map((time) => (time === null ? undefined : BigInt(time)))
  return {
    ...rest,
    ...(mtime === undefined ? {} : { mtime }),
    ...(ctime === undefined ? {} : { ctime }),
    ...(birthtime === undefined ? {} : { birthtime }),
    ...(inode === undefined ? {} : { inode: { device: BigInt(inode[0]), number: BigInt(inode[1]), links: inode[2] } }),
    ...(xattrs === undefined ? {} : { xattrs: mapValues(xattrs, fromHex) }),
  }
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
}

function endOfBlock(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < 4) return Number.POSITIVE_INFINITY
  return at + 4 + new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true)
}
