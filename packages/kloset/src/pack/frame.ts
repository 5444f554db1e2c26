import { free, MalformedError } from '../bytes/index.js'
import { type Codec, codecNumber, codecOfNumber, compress, decompress, looksCompressible } from '../compress/index.js'
import { kernels } from '../kernels/index.js'
import { frameHeaderLength, limits } from './limits.js'
import { Scratch } from './regions.js'

// Serves nothing else: the compressor trusts what it left in it.
let table: number | undefined
const packed = new Scratch()
const plain = new Scratch()
const unpacked = new Scratch()

/** Bytes in kernel memory: valid until the next call of the function that gave them. */
export interface Place {
  readonly at: number
  readonly length: number
}

/** The raw bytes of an opened frame, and how they were stored. */
export interface OpenedFrame extends Place {
  readonly codec: Codec
  /** The frame's plaintext, without padding: what another pack can take as it is. */
  readonly packed: Place
}

/**
 * Makes a frame's plaintext of `length` raw bytes at `from` in kernel memory. What does not shrink below 97 % is kept as it is:
 * the few bytes saved would not pay for decompressing them.
 */
export function packFrame(codec: Codec, from: number, length: number): Place {
  const kernel = kernels()
  const at = packed.at(frameHeaderLength + Math.max(length, 64))
  const payload = at + frameHeaderLength
  const worth = Math.floor(length * 0.97)
  const stored = shrink(codec, from, length, payload, worth)
  if (stored === 0) kernel.heap().copyWithin(payload, from, from + length)
  const view = new DataView(kernel.memory.buffer, at, frameHeaderLength)
  view.setUint8(0, codecNumber(stored === 0 ? 'none' : codec))
  view.setUint32(1, 0, true)
  view.setUint32(5, length, true)
  view.setUint32(9, stored === 0 ? length : stored, true)
  return { at, length: frameHeaderLength + (stored === 0 ? length : stored) }
}

/** Compresses into kernel memory at `to`; 0 where it does not fit into `worth` bytes. */
function shrink(codec: Codec, from: number, length: number, to: number, worth: number): number {
  const kernel = kernels()
  if (codec === 'none' || worth <= 0) return 0
  if (codec === 'lz4') {
    table ??= kernel.reserve(kernel.lz4TableSize)
    return kernel.lz4Compress(from, length, to, worth, table)
  }
  // Anew for each: the probe may grow kernel memory, and that detaches what was a view of it.
  const raw = (): Uint8Array => kernel.heap().subarray(from, from + length)
  if (!looksCompressible(raw())) return 0
  const stored = compress(codec, raw())
  if (stored === undefined || stored.length > worth) return 0
  kernel.heap().set(stored, to)
  const { length: size } = stored
  free(stored)
  return size
}

/**
 * Opens a frame into kernel memory. `open` decrypts into the bytes it is given and returns how many it wrote; `rawLength` is what
 * the footer or index says of the frame.
 * @throws MalformedError where the plaintext is not a frame of that length
 */
export function unpackFrame(sealedLength: number, rawLength: number, open: (out: Uint8Array) => number): OpenedFrame {
  if (sealedLength > limits.sealedFrame || rawLength > limits.rawFrame) throw new MalformedError('a frame is too large')
  const kernel = kernels()
  const at = plain.at(sealedLength)
  const length = open(kernel.heap().subarray(at, at + sealedLength))
  const { codec, payload, stored } = frameHeader(kernel.heap().subarray(at, at + length), rawLength)
  const from = at + payload
  const packed = { at, length: payload + stored }
  if (codec === 'none') return { at: from, length: rawLength, codec, packed }
  const to = unpacked.at(Math.max(rawLength, 64))
  if (codec === 'lz4') {
    if (kernel.lz4Decompress(from, stored, to, rawLength) !== rawLength) throw new MalformedError('a frame is not LZ4')
  } else {
    const raw = decompress(codec, kernel.heap().subarray(from, from + stored), rawLength)
    kernel.heap().set(raw, to)
    free(raw)
  }
  return { at: to, length: rawLength, codec, packed }
}

function frameHeader(plaintext: Uint8Array, rawLength: number): { codec: Codec; payload: number; stored: number } {
  if (plaintext.length < frameHeaderLength) throw new MalformedError('a frame is too short')
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.length)
  const codec = codecOfNumber(view.getUint8(0))
  const stored = view.getUint32(9, true)
  if (codec === undefined) throw new MalformedError('a frame has an unknown codec')
  if (view.getUint32(1, true) !== 0) throw new MalformedError('a frame needs a dictionary')
  if (view.getUint32(5, true) !== rawLength) throw new MalformedError('a frame has another length than its pack says')
  if (frameHeaderLength + stored > plaintext.length) throw new MalformedError('a frame ends too early')
  if (codec === 'none' && stored !== rawLength) throw new MalformedError('a stored frame has two lengths')
  for (let i = frameHeaderLength + stored; i < plaintext.length; i++) {
    if (plaintext[i] !== 0) throw new MalformedError('the padding of a frame is not zero')
  }
  return { codec, payload: frameHeaderLength, stored }
}
