import type { Bytes } from '../bytes/index.js'
import type { Codec } from '../compress/index.js'
import { type Keyring, newHeader, type Sealer, sealer } from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import { blake3 } from '../hash/index.js'
import { kernels } from '../kernels/index.js'
import { encodeFooter, type PackClass } from './footer.js'
import { type Place, packFrame } from './frame.js'
import { frameHeaderLength, limits, mostRecords, recordLength } from './limits.js'
import { giveRegion, type Region, takeRegion } from './regions.js'

/** What a {@link PackWriter} needs. */
export interface PackWriterOptions {
  readonly keyring: Keyring
  readonly class: PackClass
  /** A pack is sealed once it has this many bytes. */
  readonly packSize: number
  /** A frame is closed once it has this many raw bytes; a blob of at least half of it gets one of its own. */
  readonly frameSize: number
  readonly codec: Codec
  /** Takes each sealed pack, as soon as it is full. */
  readonly onPack: (pack: SealedPack) => void
  /** Gives memory that packs were in before and that is free again, if there is any: fresh memory has to be cleared first. */
  readonly spare?: () => ArrayBuffer | undefined
}

/** A finished pack. */
export interface SealedPack {
  readonly class: PackClass
  /** BLAKE3 of the file. */
  readonly name: Bytes
  readonly file: Bytes
  /** As in a footer: three numbers a frame. */
  readonly frames: Uint32Array
  /** As in a footer: 40 bytes a record. */
  readonly records: Bytes
  /** Length of the pack's header: where its first frame starts. */
  readonly headerLength: number
}

/** Gathers blobs into frames and frames into sealed packs. Everything is synchronous; blobs may be put together in kernel memory without a copy. */
export class PackWriter {
  readonly #options: PackWriterOptions
  readonly #gather: Region
  readonly #own: number
  #length = 0
  #records: Records
  #pack: OpenPack | undefined

  constructor(options: PackWriterOptions) {
    this.#options = options
    this.#own = Math.ceil(options.frameSize / 2)
    this.#gather = takeRegion(2 * options.frameSize)
    this.#records = new Records()
  }

  /** The longest blob that {@link space} makes room for; longer ones get a frame of their own. */
  get gathers(): number {
    return this.#own - 1
  }

  /** Where in kernel memory the next blob of up to `length` bytes, at most {@link gathers}, may be put before it is added from there. */
  space(length: number): number {
    if (this.#length + length > this.#options.frameSize) this.#closeFrame()
    return this.#gather.at + this.#length
  }

  /** Adds the blob of `length` bytes at `from` in kernel memory, whose id is in `ids` at `idAt`. */
  add(ids: Uint8Array, idAt: number, from: number, length: number): void {
    if (length === 0) throw new RangeError('a blob has at least one byte')
    if (length > limits.rawFrame)
      throw new RangeError(`a blob has ${length} bytes; at most ${limits.rawFrame} are allowed`)
    if (length > this.gathers) {
      const records = new Records()
      records.add(ids, idAt, 0, length)
      this.#sealFrame(from, length, records)
      return
    }
    // Closing a frame may grow kernel memory, and that detaches `ids` where it is a view of it.
    const id = ids.slice(idAt, idAt + 32)
    const end = this.#gather.at + this.#length
    const to = from === end ? from : this.space(length)
    if (to !== from)
      kernels()
        .heap()
        .copyWithin(to, from, from + length)
    this.#records.add(id, 0, to - this.#gather.at, length)
    this.#length = to - this.#gather.at + length
    if (this.#length >= this.#options.frameSize || this.#records.count >= mostRecords) this.#closeFrame()
  }

  /** Adds a blob from ordinary memory. */
  addBytes(id: Uint8Array, bytes: Uint8Array): void {
    if (bytes.length <= this.gathers) {
      const at = this.space(bytes.length)
      kernels().heap().set(bytes, at)
      this.add(id, 0, at, bytes.length)
      return
    }
    const region = takeRegion(bytes.length)
    try {
      kernels().heap().set(bytes, region.at)
      this.add(id, 0, region.at, bytes.length)
    } finally {
      giveRegion(region)
    }
  }

  /**
   * Adds a frame that another pack held, compressed as it is: its plaintext at `packed` in kernel memory, and of the blobs in it 40 bytes
   * each, as in a footer. The caller has verified that they are what is in it.
   */
  addFrame(packed: Place, rawLength: number, records: Uint8Array): void {
    this.#sealPacked(packed, rawLength, Records.of(records))
  }

  /** Closes the open frame, so that what follows does not share it: frames never mix sources. */
  closeFrame(): void {
    this.#closeFrame()
  }

  /** Seals what is open. */
  flush(): void {
    this.#closeFrame()
    this.#closePack()
  }

  /** Gives the writer's memory back. What was not flushed is lost. */
  release(): void {
    giveRegion(this.#gather)
  }

  #closeFrame(): void {
    if (this.#length === 0) return
    const records = this.#records
    const length = this.#length
    this.#records = new Records()
    this.#length = 0
    this.#sealFrame(this.#gather.at, length, records)
  }

  #sealFrame(from: number, length: number, records: Records): void {
    this.#sealPacked(packFrame(this.#options.codec, from, length), length, records)
  }

  #sealPacked(packed: Place, rawLength: number, records: Records): void {
    const plaintext = kernels()
      .heap()
      .subarray(packed.at, packed.at + packed.length)
    if (this.#pack !== undefined && !this.#pack.takes(packed.length, records.count)) this.#closePack()
    this.#pack ??= new OpenPack(this.#options)
    this.#pack.add(plaintext, rawLength, records)
    if (this.#pack.length >= this.#options.packSize) this.#closePack()
  }

  #closePack(): void {
    const pack = this.#pack
    if (pack === undefined) return
    this.#pack = undefined
    this.#options.onPack(pack.seal(this.#options.class))
  }
}

/** A pack being filled. */
class OpenPack {
  readonly #header: ReturnType<typeof newHeader>
  readonly #sealer: Sealer
  #file: Bytes
  readonly #frames: number[] = []
  readonly #records = new Records()
  length: number

  constructor({ keyring, packSize, spare }: PackWriterOptions) {
    this.#header = newHeader('pack', keyring.epoch)
    this.#sealer = sealer(keyring, this.#header, 'packs')
    // Room for a usual frame over the size and a usual footer.
    const usual = packSize + 4 * 1024 * 1024
    const memory = spare?.()
    this.#file = memory !== undefined && memory.byteLength >= usual ? new Uint8Array(memory) : new Uint8Array(usual)
    this.#file.set(this.#header.bytes)
    this.length = this.#header.bytes.length
  }

  takes(plaintextLength: number, records: number): boolean {
    return (
      this.#frames.length / 3 < limits.frames &&
      this.#records.count + records <= mostRecords &&
      this.length + plaintextLength + this.#sealer.overhead <= limits.pack - limits.footer
    )
  }

  add(plaintext: Uint8Array, rawLength: number, records: Records): void {
    if (plaintext.length > limits.rawFrame + frameHeaderLength)
      throw new KlosetError('KLOSET_LIMIT', 'a frame is too large')
    this.#ensure(plaintext.length + this.#sealer.overhead)
    const sealedLength = this.#sealer.sealInto(0, this.#frames.length / 3, plaintext, this.#file.subarray(this.length))
    this.length += sealedLength
    this.#frames.push(sealedLength, rawLength, records.count)
    this.#records.append(records)
  }

  seal(packClass: PackClass): SealedPack {
    const frames = Uint32Array.from(this.#frames)
    const records = this.#records.bytes()
    const plaintext = encodeFooter({ class: packClass, domain: 0, length: this.length, frames, records })
    const sealed = this.#sealer.seal(1, 0, plaintext)
    const end = this.length + sealed.length
    this.#ensure(sealed.length + 4)
    this.#file.set(sealed, this.length)
    new DataView(this.#file.buffer).setUint32(end, sealed.length, true)
    const file = this.#file.subarray(0, end + 4)
    return { class: packClass, name: blake3(file), file, frames, records, headerLength: this.#header.bytes.length }
  }

  #ensure(more: number): void {
    if (this.length + more <= this.#file.length) return
    const larger = new Uint8Array(Math.max(this.length + more, Math.ceil(1.25 * this.#file.length)))
    larger.set(this.#file.subarray(0, this.length))
    this.#file = larger
  }
}

/** Records of 40 bytes in memory that grows. */
class Records {
  #bytes: Bytes = new Uint8Array(64 * recordLength)
  #view = new DataView(this.#bytes.buffer)
  count = 0

  static of(bytes: Uint8Array): Records {
    const records = new Records()
    const at = records.#grow(bytes.length / recordLength)
    records.#bytes.set(bytes, at)
    return records
  }

  add(ids: Uint8Array, idAt: number, offset: number, length: number): void {
    const at = this.#grow(1)
    this.#bytes.set(ids.subarray(idAt, idAt + 32), at)
    this.#view.setUint32(at + 32, offset, true)
    this.#view.setUint32(at + 36, length, true)
  }

  append(other: Records): void {
    const at = this.#grow(other.count)
    this.#bytes.set(other.#bytes.subarray(0, other.count * recordLength), at)
  }

  bytes(): Bytes {
    return this.#bytes.slice(0, this.count * recordLength)
  }

  #grow(by: number): number {
    const at = this.count * recordLength
    this.count += by
    if (this.count * recordLength > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.count * recordLength))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}
