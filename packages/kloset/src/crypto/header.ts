import { ByteReader, type Bytes, ByteWriter, MalformedError, utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'

/** The kinds of sealed objects. */
export type ObjectKind = 'pack' | 'index' | 'log' | 'checkpoint'

/** What a sealed object starts with. Its bytes are associated data of every part. */
export interface SealedHeader {
  readonly kind: ObjectKind
  readonly epoch: number
  /** The whole header, extension included, as it is in the object. */
  readonly bytes: Bytes
  readonly extension: Bytes
  /** 32 random bytes: they give every object keys and a name of its own. */
  readonly salt: Bytes
}

/** Length of a header without its extension. */
export const headerLength = 46

/** Lengths of the extensions as this version writes them, by kind. */
export const extensionLength: Readonly<Record<ObjectKind, number>> = { pack: 0, index: 4, log: 12, checkpoint: 0 }

/** A header for a new object, with a random salt unless one is given (to make the same bytes again, in tests). */
export function newHeader(
  kind: ObjectKind,
  epoch: number,
  extension: Uint8Array = new Uint8Array(0),
  salt: Uint8Array = runtime.randomBytes(32),
): SealedHeader {
  if (salt.length !== 32) throw new RangeError('a salt has 32 bytes')
  if (extension.length !== extensionLength[kind]) {
    throw new RangeError(`the header of a ${kind} has an extension of ${extensionLength[kind]} bytes`)
  }
  const writer = new ByteWriter(headerLength + extension.length)
  writer.bytes(magic)
  writer.u8(kindNumbers[kind])
  writer.u8(version)
  writer.u32(epoch)
  writer.u8(keyingByEpoch)
  writer.u8(0)
  writer.u16(headerLength + extension.length)
  writer.bytes(salt)
  writer.bytes(extension)
  return headerOf(kind, epoch, writer.finish())
}

/**
 * The header at the start of `bytes`, copied.
 * @throws KLOSET_OBJECT_CORRUPT where it is not the header of a `kind`; KLOSET_VERSION where a newer kloset wrote it.
 */
export function readHeader(kind: ObjectKind, bytes: Uint8Array): SealedHeader {
  try {
    const reader = new ByteReader(bytes)
    if (magic.some((byte) => byte !== reader.u8())) throw new MalformedError('it does not start with KLST')
    const kindNumber = reader.u8()
    const objectVersion = reader.u8()
    if (objectVersion !== version) throw newer(kind, `its format has version ${objectVersion}`)
    if (kindNumber !== kindNumbers[kind]) throw new MalformedError(`it is of kind ${kindNumber}`)
    const epoch = reader.u32()
    const keying = reader.u8()
    if (keying === keyingByPublicKey) throw newer(kind, 'it is sealed to a public key')
    if (keying !== keyingByEpoch || reader.u8() !== 0) throw new MalformedError('its keying is unknown')
    const length = reader.u16()
    // A longer extension is a later version's, of which only the start concerns this one.
    if (length < headerLength + extensionLength[kind] || length > mostHeader) {
      throw new MalformedError(`its header has ${length} bytes`)
    }
    reader.bytes(length - reader.offset)
    return headerOf(kind, epoch, new Uint8Array(bytes.subarray(0, length)))
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause
    throw new KlosetError('KLOSET_OBJECT_CORRUPT', `These bytes are not a ${names[kind]}: ${cause.message}`, { cause })
  }
}

/** What an object of a kind is called in messages. */
export const names: Readonly<Record<ObjectKind, string>> = {
  pack: 'pack',
  index: 'index segment',
  log: 'log entry',
  checkpoint: 'checkpoint',
}

const mostHeader = 1_024
const magic = utf8('KLST')
const version = 1
const kindNumbers: Readonly<Record<ObjectKind, number>> = { pack: 1, index: 2, log: 3, checkpoint: 4 }
const keyingByEpoch = 0
const keyingByPublicKey = 1

function headerOf(kind: ObjectKind, epoch: number, bytes: Bytes): SealedHeader {
  return {
    kind,
    epoch,
    bytes,
    salt: bytes.subarray(headerLength - 32, headerLength),
    extension: bytes.subarray(headerLength),
  }
}

function newer(kind: ObjectKind, why: string): KlosetError {
  return new KlosetError('KLOSET_VERSION', `This ${names[kind]} was written by a newer kloset: ${why}`, {
    hint: 'Update kloset to read this store.',
  })
}
