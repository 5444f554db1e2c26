import { type Bytes, equalBytes, toHex } from '../bytes/index.js'
import type { Keyring } from '../crypto/index.js'
import type { IndexTable } from '../index/index.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { type Footer, openPackUnhashed, PackOpener, packObject } from '../pack/index.js'
import { recordLength } from '../pack/limits.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'

/** What is wrong with a pack. */
export interface PackFinding {
  readonly code: 'footer-corrupt' | 'frame-corrupt' | 'chunk-corrupt' | 'index-mismatch'
  readonly message: string
  /** The frame that cannot be read because of it. */
  readonly frame: number | undefined
  /** The only blob of that frame that is wrong; undefined: all of them. */
  readonly id: Bytes | undefined
}

/** What verifying a pack found. */
export interface VerifiedPack {
  readonly findings: readonly PackFinding[]
  /** How many blobs were verified, and their bytes. */
  readonly blobs: number
  readonly bytes: number
}

/** What an index says of a pack, to be compared with what the pack says itself. */
export interface IndexedFrames {
  readonly index: IndexTable
  /** Three numbers a frame: offset, sealed length, raw length. */
  readonly frames: Uint32Array
}

/**
 * Verifies a whole pack: header, footer, every frame and every blob, and that the index, if given, says the same. Damage is returned, never
 * thrown. The hash that is its name is not computed: tags vouch for every byte of a pack already, and only the index can tell that the pack
 * is the one that should be here.
 */
export function verifyPack(
  keyring: Keyring,
  name: Uint8Array,
  file: Uint8Array,
  indexed?: IndexedFrames,
): VerifiedPack {
  const fixed = takeRegion(64)
  try {
    return new PackVerifying(keyring, name, file, indexed, fixed).run()
  } finally {
    giveRegion(fixed)
  }
}

class PackVerifying {
  readonly #keyring: Keyring
  readonly #name: Uint8Array
  readonly #file: Uint8Array
  readonly #indexed: IndexedFrames | undefined
  readonly #object: string
  readonly #fixed: Region
  readonly #kernels: Kernels = kernels()
  readonly #findings: PackFinding[] = []
  #blobs = 0
  #bytes = 0

  constructor(keyring: Keyring, name: Uint8Array, file: Uint8Array, indexed: IndexedFrames | undefined, fixed: Region) {
    this.#keyring = keyring
    this.#name = name
    this.#file = file
    this.#indexed = indexed
    this.#fixed = fixed
    this.#object = packObject(name)
  }

  run(): VerifiedPack {
    const footer = this.#footer()
    if (footer === undefined) this.#framesOfIndex()
    else this.#framesOfFooter(footer)
    return { findings: this.#findings, blobs: this.#blobs, bytes: this.#bytes }
  }

  #footer(): { opener: PackOpener; footer: Footer } | undefined {
    try {
      return openPackUnhashed(this.#keyring, this.#name, this.#file)
    } catch (error) {
      this.#find('footer-corrupt', (error as Error).message)
      return undefined
    }
  }

  #framesOfFooter({ opener, footer }: { opener: PackOpener; footer: Footer }): void {
    const { frames, records } = footer
    const view = new DataView(records.buffer, records.byteOffset, records.length)
    this.#compareFrames(opener.headerLength, frames)
    this.#kernels.heap().set(footer.class === 'data' ? this.#keyring.chunkKey : this.#keyring.nodeKey, this.#fixed.at)
    let offset = opener.headerLength
    let at = 0
    for (let frame = 0; frame < frames.length / 3; frame++) {
      const [sealedLength, rawLength, count] = frames.subarray(3 * frame, 3 * frame + 3)
      const end = at + count! * recordLength
      const place = this.#open(opener, frame, offset, sealedLength!, rawLength!)
      for (; place !== undefined && at < end; at += recordLength) {
        const from = view.getUint32(at + 32, true)
        const length = view.getUint32(at + 36, true)
        this.#blob(frame, records.subarray(at, at + 32), place.at + from, length)
        this.#compareRecord(frame, records, at, from, length)
      }
      at = end
      offset += sealedLength!
    }
  }

  /** Without a footer the index still says where the frames are: what they hold is verified as far as sealing goes. */
  #framesOfIndex(): void {
    const frames = this.#indexed?.frames ?? new Uint32Array(0)
    let opener: PackOpener
    try {
      opener = new PackOpener(this.#keyring, this.#name, this.#file)
    } catch (error) {
      for (let frame = 0; frame < frames.length / 3; frame++)
        this.#find('frame-corrupt', (error as Error).message, frame)
      return
    }
    for (let frame = 0; frame < frames.length / 3; frame++) {
      const [offset, sealedLength, rawLength] = frames.subarray(3 * frame, 3 * frame + 3)
      this.#open(opener, frame, offset!, sealedLength!, rawLength!)
    }
  }

  #open(opener: PackOpener, frame: number, offset: number, sealedLength: number, rawLength: number) {
    try {
      return opener.frame(frame, this.#file.subarray(offset, offset + sealedLength), rawLength)
    } catch (error) {
      this.#find('frame-corrupt', (error as Error).message, frame)
      return undefined
    }
  }

  #blob(frame: number, id: Uint8Array, at: number, length: number): void {
    const out = this.#fixed.at + 32
    this.#kernels.hash(this.#fixed.at, at, length, out)
    this.#blobs++
    this.#bytes += length
    if (equalBytes(this.#kernels.heap().subarray(out, out + 32), id)) return
    this.#find('chunk-corrupt', `frame ${frame} does not hold ${toHex(id).slice(0, 16)}…`, frame, id)
  }

  #compareFrames(headerLength: number, frames: Uint32Array): void {
    const known = this.#indexed?.frames
    if (known === undefined) return
    let offset = headerLength
    let same = known.length === frames.length
    for (let i = 0; same && i < frames.length; i += 3) {
      same = known[i] === offset && known[i + 1] === frames[i] && known[i + 2] === frames[i + 1]
      offset += frames[i]!
    }
    if (!same) this.#find('index-mismatch', 'its footer and the index disagree about its frames')
  }

  #compareRecord(frame: number, records: Uint8Array, at: number, offset: number, length: number): void {
    if (this.#indexed === undefined) return
    const id = records.subarray(at, at + 32)
    for (const place of this.#indexed.index.locateAll(id)) {
      if (place.frame.ordinal !== frame || place.offset !== offset || place.length !== length) continue
      if (equalBytes(place.frame.pack, this.#name)) return
    }
    this.#find('index-mismatch', `the index does not place ${toHex(id).slice(0, 16)}… where its footer does`)
  }

  #find(code: PackFinding['code'], message: string, frame?: number, id?: Uint8Array): void {
    const about = message.startsWith(this.#object) ? message : `${this.#object}: ${message}`
    this.#findings.push({ code, message: about, frame, id: id?.slice() as PackFinding['id'] })
  }
}
