import { type Bytes, equalBytes, MalformedError, toHex } from '../bytes/index.js'
import { type Keyring, readHeader, type Sealer, sealer } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { blake3, keyedBlake3 } from '../hash/index.js'
import { kernels } from '../kernels/index.js'
import { decodeFooter, type Footer } from './footer.js'
import { type OpenedFrame, unpackFrame } from './frame.js'
import { limits, recordLength } from './limits.js'

/** Length of a pack's header as this version writes it; readers take longer ones. */
export const packHeaderLength = 46

/** The object name of a pack. */
export function packObject(name: Uint8Array): string {
  const hex = toHex(name)
  return `packs/${hex.slice(0, 2)}/${hex}`
}

/** Opens the frames of one pack, given its first bytes. */
export class PackOpener {
  readonly #sealer: Sealer
  readonly #name: string
  readonly headerLength: number

  /** @throws KLOSET_PACK_CORRUPT, KLOSET_VERSION */
  constructor(keyring: Keyring, name: Uint8Array, start: Uint8Array) {
    this.#name = packObject(name)
    const header = asPackError(this.#name, () => readHeader('pack', start))
    this.headerLength = header.bytes.length
    this.#sealer = asPackError(this.#name, () => sealer(keyring, header, 'packs'))
  }

  /**
   * Opens the frame with this ordinal into kernel memory, where it stays until the next frame is opened in this thread.
   * @throws KLOSET_PACK_CORRUPT where it is not what was sealed there
   */
  frame(ordinal: number, sealed: Uint8Array, rawLength: number): OpenedFrame {
    return asPackError(this.#name, () =>
      unpackFrame(sealed.length, rawLength, (out) => this.#sealer.openInto(0, ordinal, sealed, out)),
    )
  }

  /** A copy of the frame's raw bytes. */
  frameBytes(ordinal: number, sealed: Uint8Array, rawLength: number): Bytes {
    const { at, length } = this.frame(ordinal, sealed, rawLength)
    return kernels()
      .heap()
      .slice(at, at + length)
  }

  /** Opens the footer; `length` is how many bytes of the file are before it. @throws KLOSET_PACK_CORRUPT */
  footer(sealed: Uint8Array, length: number): Footer {
    return asPackError(this.#name, () => decodeFooter(this.#sealer.open(1, 0, sealed), this.headerLength, length))
  }
}

/** A whole pack in memory. */
export interface WholePack {
  readonly opener: PackOpener
  readonly footer: Footer
}

/** Opens a whole pack and its footer. @throws KLOSET_PACK_CORRUPT where the bytes are not those of that name */
export function openPack(keyring: Keyring, name: Uint8Array, file: Uint8Array): WholePack {
  if (!equalBytes(blake3(file), name)) {
    throw corrupt(packObject(name), new MalformedError('the bytes do not have the hash that is its name'))
  }
  return openPackUnhashed(keyring, name, file)
}

/** As {@link openPack} without comparing the hash: to save what can be saved of a damaged pack. */
export function openPackUnhashed(keyring: Keyring, name: Uint8Array, file: Uint8Array): WholePack {
  const opener = new PackOpener(keyring, name, file)
  const sealedLength = footerLength(name, file, file.length, opener.headerLength)
  const from = file.length - 4 - sealedLength
  return { opener, footer: opener.footer(file.subarray(from, file.length - 4), from) }
}

/**
 * How long the sealed footer is, from the last bytes of a pack of `size` bytes.
 * @throws KLOSET_PACK_CORRUPT where that cannot be
 */
export function footerLength(name: Uint8Array, tail: Uint8Array, size: number, headerLength: number): number {
  if (size < headerLength + 20 || size > limits.pack || tail.length < 4) {
    throw corrupt(packObject(name), new MalformedError('it has a length that no pack has'))
  }
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length)
  const length = view.getUint32(tail.length - 4, true)
  if (length > limits.footer || length > size - 4 - headerLength) {
    throw corrupt(packObject(name), new MalformedError('its footer has a length that cannot be'))
  }
  return length
}

/** A blob of a pack, read and verified. */
export interface PackBlob {
  readonly id: Bytes
  readonly bytes: Bytes
}

/** Every blob of a whole pack, each verified against its id under `idKey`. @throws KLOSET_PACK_CORRUPT */
export function* packBlobs(pack: WholePack, file: Uint8Array, idKey: Uint8Array): Generator<PackBlob> {
  const { frames, records } = pack.footer
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  let at = pack.opener.headerLength
  let record = 0
  for (let ordinal = 0; ordinal < frames.length / 3; ordinal++) {
    const [sealedLength, rawLength, count] = frames.subarray(3 * ordinal, 3 * ordinal + 3)
    const raw = pack.opener.frameBytes(ordinal, file.subarray(at, at + sealedLength!), rawLength!)
    at += sealedLength!
    for (const end = record + count! * recordLength; record < end; record += recordLength) {
      const offset = view.getUint32(record + 32, true)
      const id = records.slice(record, record + 32)
      const bytes = raw.slice(offset, offset + view.getUint32(record + 36, true))
      if (!equalBytes(keyedBlake3(idKey, bytes), id)) {
        throw new KlosetError('KLOSET_PACK_CORRUPT', `a blob in a pack does not have its id ${toHex(id)}`)
      }
      yield { id, bytes }
    }
  }
}

function asPackError<T>(object: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof MalformedError || isKlosetError(error, 'KLOSET_OBJECT_CORRUPT')) throw corrupt(object, error)
    throw error
  }
}

function corrupt(object: string, cause: Error): KlosetError {
  return new KlosetError('KLOSET_PACK_CORRUPT', `${object} is damaged: ${cause.message}`, {
    cause,
    context: { object },
    hint: 'Run a check with all data read to learn what else is concerned, and restore this pack from another copy of the store.',
  })
}
