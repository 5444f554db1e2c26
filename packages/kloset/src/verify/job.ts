import { equalBytes, toHex } from '../bytes/index.js'
import { createKeyring, type Keyring } from '../crypto/index.js'
import { blake3 } from '../hash/index.js'
import { IndexTable } from '../index/index.js'
import { type Kernels, kernels } from '../kernels/index.js'
import { type Footer, openPackUnhashed, PackOpener, packObject } from '../pack/index.js'
import { recordLength } from '../pack/limits.js'
import { giveRegion, type Region, takeRegion } from '../pack/regions.js'
import type { Job, JobReply } from '../runtime/jobs.js'
import type { PackFinding, VerifyInit, VerifyMessage, VerifyReply } from './messages.js'

/** Makes the part of a check that runs in each worker. */
export function createVerifyJob(init: VerifyInit): Job {
  return new VerifyJob(init)
}

/** Verifies whole packs: name, header, footer, every frame, every blob, and that the index says the same. */
class VerifyJob implements Job {
  readonly #keyring: Keyring
  readonly #index: IndexTable
  readonly #fixed: Region = takeRegion(64)

  constructor(init: VerifyInit) {
    this.#keyring = createKeyring(init.material)
    this.#index = IndexTable.join(init.index)
  }

  handle(message: VerifyMessage): JobReply {
    return { value: new PackVerifying(this.#keyring, this.#index, this.#fixed, message).run() }
  }

  end(): void {
    giveRegion(this.#fixed)
  }
}

class PackVerifying {
  readonly #keyring: Keyring
  readonly #index: IndexTable
  readonly #message: VerifyMessage
  readonly #object: string
  readonly #fixed: Region
  readonly #kernels: Kernels = kernels()
  readonly #findings: PackFinding[] = []
  #blobs = 0
  #bytes = 0

  constructor(keyring: Keyring, index: IndexTable, fixed: Region, message: VerifyMessage) {
    this.#keyring = keyring
    this.#index = index
    this.#fixed = fixed
    this.#message = message
    this.#object = packObject(message.name)
  }

  run(): VerifyReply {
    const { name, file } = this.#message
    const named = equalBytes(blake3(file), name)
    const footer = this.#footer()
    if (footer === undefined) this.#framesOfIndex()
    else this.#framesOfFooter(footer)
    if (!named && this.#findings.length === 0) {
      this.#find('pack-corrupt', 'its bytes do not have the hash that is its name, yet all it holds can be read')
    }
    return { findings: this.#findings, blobs: this.#blobs, bytes: this.#bytes }
  }

  #footer(): { opener: PackOpener; footer: Footer } | undefined {
    try {
      return openPackUnhashed(this.#keyring, this.#message.name, this.#message.file)
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
    const { frames, file, name } = this.#message
    let opener: PackOpener
    try {
      opener = new PackOpener(this.#keyring, name, file)
    } catch (error) {
      for (let frame = 0; frame < frames.length / 3; frame++) this.#find('frame-corrupt', (error as Error).message, frame)
      return
    }
    for (let frame = 0; frame < frames.length / 3; frame++) {
      const [offset, sealedLength, rawLength] = frames.subarray(3 * frame, 3 * frame + 3)
      this.#open(opener, frame, offset!, sealedLength!, rawLength!)
    }
  }

  #open(opener: PackOpener, frame: number, offset: number, sealedLength: number, rawLength: number) {
    try {
      return opener.frame(frame, this.#message.file.subarray(offset, offset + sealedLength), rawLength)
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
    const known = this.#message.frames
    let offset = headerLength
    let same = known.length === frames.length
    for (let i = 0; same && i < frames.length; i += 3) {
      same = known[i] === offset && known[i + 1] === frames[i] && known[i + 2] === frames[i + 1]
      offset += frames[i]!
    }
    if (!same) this.#find('index-mismatch', 'its footer and the index disagree about its frames')
  }

  #compareRecord(frame: number, records: Uint8Array, at: number, offset: number, length: number): void {
    const id = records.subarray(at, at + 32)
    for (const place of this.#index.locateAll(id)) {
      if (place.frame.ordinal !== frame || place.offset !== offset || place.length !== length) continue
      if (equalBytes(place.frame.pack, this.#message.name)) return
    }
    this.#find('index-mismatch', `the index does not place ${toHex(id).slice(0, 16)}… where its footer does`)
  }

  #find(code: PackFinding['code'], message: string, frame?: number, id?: Uint8Array): void {
    const about = message.startsWith(this.#object) ? message : `${this.#object}: ${message}`
    this.#findings.push({ code, message: about, frame, id: id?.slice() as PackFinding['id'] })
  }
}
