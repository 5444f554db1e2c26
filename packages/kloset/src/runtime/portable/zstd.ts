import { Decompress } from 'fzstd'
import { type Bytes, MalformedError } from '../../bytes/index.js'

/** One zstd frame (RFC 8878), decoded in JavaScript. @throws MalformedError unless it is whole and gives exactly `rawLength` bytes. */
export function unzstd(stored: Uint8Array, rawLength: number): Bytes {
  checkFrame(stored, rawLength)
  const raw = new Uint8Array(rawLength)
  let at = 0
  const decoder = new Decompress((piece) => {
    if (piece.length > rawLength - at) throw new MalformedError(`more than ${rawLength} bytes of zstd`)
    raw.set(piece, at)
    at += piece.length
  })
  try {
    decoder.push(stored, true)
  } catch (cause) {
    throw new MalformedError('zstd bytes are damaged', { cause })
  }
  if (at !== rawLength) throw new MalformedError(`${at} bytes of zstd where ${rawLength} are expected`)
  return raw
}

// RFC 8878 §3.1.1.1.2 asks decoders for windows of 8 MiB at least.
const leastWindow = 8 * 1024 * 1024

/**
 * The decoder allocates what a frame's header asks for, up to 2 GiB, and again for each frame that follows. So the header is
 * read here first, and the blocks are walked to see that nothing follows them.
 */
function checkFrame(stored: Uint8Array, rawLength: number): void {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length)
  const has = (length: number): void => {
    if (length > stored.length) throw new MalformedError('zstd bytes end too early')
  }
  has(5)
  if (view.getUint32(0, true) !== 0xfd2f_b528) throw new MalformedError('these bytes are not zstd')

  // §3.1.1.1: descriptor, window, dictionary id, content size.
  const descriptor = stored[4]!
  const sizeFlag = descriptor >> 6
  const single = (descriptor & 0x20) !== 0
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag
  if ((descriptor & 0x08) !== 0) throw new MalformedError('a zstd frame has a reserved bit set')
  if ((descriptor & 0x03) !== 0) throw new MalformedError('a zstd frame needs a dictionary')
  let at = single ? 5 : 6
  has(at + sizeBytes)
  if (sizeBytes > 0 && contentSize(view, at, sizeBytes) !== rawLength) {
    throw new MalformedError(`a zstd frame is not of ${rawLength} bytes`)
  }
  if (!single && windowSize(stored[5]!) > Math.max(leastWindow, 2 * rawLength)) {
    throw new MalformedError('a zstd frame asks for a window larger than its content')
  }

  // §3.1.1.2: each block says how long it is; of one that repeats a byte, only that byte is there.
  at += sizeBytes
  for (let last = false; !last; ) {
    has(at + 3)
    const block = stored[at]! | (stored[at + 1]! << 8) | (stored[at + 2]! << 16)
    const kind = (block >> 1) & 3
    if (kind === 3) throw new MalformedError('a zstd block is of a reserved kind')
    last = (block & 1) === 1
    at += 3 + (kind === 1 ? 1 : block >> 3)
  }
  if ((descriptor & 0x04) !== 0) at += 4
  if (at !== stored.length) throw new MalformedError('a zstd frame does not end where its bytes end')
}

function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at)
  if (bytes === 2) return view.getUint16(at, true) + 256
  if (bytes === 4) return view.getUint32(at, true)
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}
