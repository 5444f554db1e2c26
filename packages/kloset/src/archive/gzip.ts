import { type Bytes, ByteWriter, concatBytes } from '../bytes/index.js'
import { runtime } from '../runtime/index.js'
import { crc32 } from './crc32.js'

/** Bytes compressed as gzip has it (RFC 1952). */
export async function* gzipped(bytes: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const deflater = runtime.deflater(6)
  let crc = 0
  let size = 0
  yield header
  for await (const part of bytes) {
    crc = crc32(crc, part)
    size = (size + part.length) % 2 ** 32
    yield deflater.push(part)
  }
  const trailer = new ByteWriter(8)
  trailer.u32(crc)
  trailer.u32(size)
  yield concatBytes(deflater.end(), trailer.view())
}

/** No name, no time, made on Unix. */
const header: Bytes = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)
