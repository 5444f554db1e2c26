import { type Bytes, MalformedError } from '../bytes/index.js'
import { addressOf, kernels, Region, workspace } from '../kernels/index.js'

/** An LZ4 block of `raw`, `undefined` where it has more than `most` bytes. */
export function lz4Compress(raw: Uint8Array, most: number): Bytes | undefined {
  const { length } = raw
  const from = put(raw)
  const to = output.at(most)
  const size = kernels().lz4Compress(from, length, to, most, workspace.lz4Table)
  return size === 0
    ? undefined
    : kernels()
        .heap()
        .slice(to, to + size)
}

/** The `rawLength` bytes of an LZ4 block. @throws MalformedError unless it gives exactly so many. */
export function lz4Decompress(stored: Uint8Array, rawLength: number): Bytes {
  const { length } = stored
  const from = put(stored)
  const to = output.at(rawLength)
  if (kernels().lz4Decompress(from, length, to, rawLength) !== rawLength) {
    throw new MalformedError(`an LZ4 block is damaged, or does not give ${rawLength} bytes`)
  }
  return kernels()
    .heap()
    .slice(to, to + rawLength)
}

const input = new Region()
const output = new Region()

/** The address of `bytes`, copied into the kernels' memory unless they are there. A view of it may lose its bytes from here on. */
function put(bytes: Uint8Array): number {
  const address = addressOf(bytes)
  if (address !== undefined) return address
  const at = input.at(bytes.length)
  kernels().heap().set(bytes, at)
  return at
}
