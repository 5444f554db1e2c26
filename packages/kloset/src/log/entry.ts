import { ByteReader, type Bytes, ByteWriter, concatBytes, fromHex, MalformedError, toHex } from '../bytes/index.js'
import { type Keyring, newHeader, readHeader, type SealedHeader, type Sealer, sealer } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { blake3 } from '../hash/index.js'
import { runtime } from '../runtime/index.js'
import { decodeContent, type EntryContent, type EntryKind, encodeContent, kindNumber, kindOfNumber } from './content.js'
import { entryObject } from './names.js'
import { requireReadable } from './snapshot-record.js'

/** The largest entry, in bytes. */
export const mostEntryBytes: number = 64 * 1024

/** The names an entry carries, 64 hexadecimal digits each. */
export interface EntryNames {
  readonly segmentsAdded: readonly string[]
  readonly segmentsRemoved: readonly string[]
  /** The packs that a `condemn`, `suspect`, `purge` or `purged` is about. */
  readonly packs: readonly string[]
  /** The packs whose condemnation ends. */
  readonly lifted: readonly string[]
}

/** What follows from an entry's place, writer and moment. */
export interface EntryPlace {
  /** Counts from 1. */
  readonly position: number
  /** BLAKE3 of the entry before; zeros for the first. */
  readonly previous: Bytes
  /** 16 random bytes by which a writer knows its own entry again. */
  readonly nonce: Bytes
  /** 16 bytes that name the writer. */
  readonly writer: Bytes
  /** Milliseconds since 1970. */
  readonly time: number
}

/** An entry of the commit log, read and authenticated. */
export interface LogEntry extends EntryPlace, EntryNames {
  /** Bytes of the whole entry. */
  readonly size: number
  /** BLAKE3 of the whole entry: what the next one names. */
  readonly hash: Bytes
  /** As in the routing; also of kinds that this version does not know. */
  readonly kindNumber: number
  /** A reader that does not know the kind must not write. */
  readonly critical: boolean
  /** Undefined where this version does not know the kind, or the entry is {@link LogEntry.malformed}. */
  readonly content: EntryContent | undefined
  /** Why the record of a snapshot cannot be used though it is authentic: that snapshot is left out, and the log goes on. */
  readonly malformed: string | undefined
  /** The private part as it was sealed. */
  readonly privateBytes: Bytes
}

/** What a writer says in a new entry; its place in the log comes when it is put. */
export interface EntryDraft extends Partial<EntryNames> {
  readonly content: EntryContent
}

/**
 * Seals an entry. `random` is for tests that make the same entry again.
 * @throws KLOSET_LIMIT beyond 64 KiB
 */
export function encodeEntry(
  keyring: Keyring,
  place: EntryPlace,
  draft: EntryDraft,
  random: (length: number) => Bytes = runtime.randomBytes,
): Bytes {
  const parts = [encodeRouting(place, draft), encodeContent(draft.content), unsigned]
  const extension = new ByteWriter(12)
  for (const part of parts) extension.u32(part.length + overhead)
  const header = newHeader('log', keyring.epoch, extension.view(), random(32))
  const sealers = sealersOf(keyring, header)
  const sealed = parts.map((part, kind) => sealers[kind]!.seal(kind, 0, part))
  const bytes = concatBytes(header.bytes, ...sealed)
  if (bytes.length <= mostEntryBytes) return bytes
  throw new KlosetError('KLOSET_LIMIT', `An entry of ${bytes.length} bytes is too large for the log`, {
    hint: 'It names too many objects at once, or its tags and options are too long.',
    context: { most: mostEntryBytes },
  })
}

/**
 * A new entry as readers will take it, from the bytes that are to be put: one that they refuse would end the log for everybody.
 * @throws TypeError
 */
export function soundEntry(keyring: Keyring, position: number, bytes: Bytes, { content }: EntryDraft): LogEntry {
  if (content.kind === 'snapshot') requireReadable(content.snapshot)
  try {
    return decodeEntry(keyring, position, bytes)
  } catch (cause) {
    throw new TypeError(`an entry that nobody could read is not written: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Opens the entry that is stored as `log/<position>`, and checks everything in it that does not depend on other entries.
 * @throws KLOSET_LOG_CORRUPT
 */
export function decodeEntry(keyring: Keyring, position: number, bytes: Uint8Array): LogEntry {
  try {
    if (bytes.length > mostEntryBytes) throw new MalformedError(`it has ${bytes.length} bytes`)
    const header = readHeader('log', bytes)
    const reader = new ByteReader(bytes)
    reader.bytes(header.bytes.length)
    const lengths = new ByteReader(header.extension)
    const [routing, privateBytes, signature] = sealersOf(keyring, header).map((sealer, kind) =>
      sealer.open(kind, 0, reader.bytes(lengths.u32())),
    )
    reader.end()
    checkSignature(signature!)
    const { kindNumber, ...routed } = decodeRouting(routing!)
    if (routed.position !== position) throw new MalformedError(`it is entry ${routed.position}`)
    const kind = kindOfNumber(kindNumber)
    const read = kind === undefined ? unknown : contentOf(kind, privateBytes!)
    return { ...routed, ...read, kindNumber, privateBytes: privateBytes!, size: bytes.length, hash: blake3(bytes) }
  } catch (cause) {
    throw corruptEntry(position, cause)
  }
}

const unknown = { content: undefined, malformed: undefined }

/** A record that cannot be used costs its snapshot. The routing, which the log depends on, is sound. */
function contentOf(kind: EntryKind, bytes: Uint8Array): Pick<LogEntry, 'content' | 'malformed'> {
  try {
    return { content: decodeContent(kind, bytes), malformed: undefined }
  } catch (error) {
    if (kind !== 'snapshot' || !(error instanceof MalformedError)) throw error
    return { content: undefined, malformed: error.message }
  }
}

/** What is wrong with the entry at a position. */
export function corruptEntry(position: number, cause: unknown): KlosetError {
  if (!(cause instanceof MalformedError) && !isKlosetError(cause)) throw cause
  return new KlosetError('KLOSET_LOG_CORRUPT', `The log is damaged at entry ${position}: ${cause.message}`, {
    hint: 'What came before can still be read. Nothing is written until the log is repaired or that entry is restored from another copy.',
    context: { object: entryObject(position), position },
    cause,
  })
}

const overhead = 16

/** The sealers of the parts in their order, whose places are their part kinds: routing, private, signature. */
function sealersOf(keyring: Keyring, header: SealedHeader): readonly Sealer[] {
  const read = sealer(keyring, header, 'read')
  return [sealer(keyring, header, 'log'), read, read]
}

const noSignature = 0
const unsigned = Uint8Array.of(noSignature)

function encodeRouting({ position, previous, nonce, writer, time }: EntryPlace, draft: EntryDraft): Bytes {
  const routing = new ByteWriter(256)
  routing.u64(position)
  routing.bytes(previous)
  routing.bytes(nonce)
  routing.bytes(writer)
  routing.u8(kindNumber(draft.content.kind))
  // Whoever does not know a kind of version 1 would misjudge what may be deleted or relied on.
  routing.u8(1)
  // The clock of a machine may be before 1970, and the format cannot.
  routing.u64(Math.max(0, time))
  for (const names of [draft.segmentsAdded, draft.segmentsRemoved, draft.packs, draft.lifted]) {
    routing.varint(names?.length ?? 0)
    for (const name of names ?? []) routing.bytes(fromHex(name))
  }
  return routing.finish()
}

function decodeRouting(bytes: Uint8Array): EntryPlace & EntryNames & { kindNumber: number; critical: boolean } {
  const reader = new ByteReader(bytes)
  const routing = {
    position: reader.u64(),
    previous: reader.bytes(32).slice() as Bytes,
    nonce: reader.bytes(16).slice() as Bytes,
    writer: reader.bytes(16).slice() as Bytes,
    kindNumber: reader.u8(),
    critical: flagOf(reader.u8()),
    time: reader.u64(),
    segmentsAdded: namesOf(reader),
    segmentsRemoved: namesOf(reader),
    packs: namesOf(reader),
    lifted: namesOf(reader),
  }
  reader.end()
  return routing
}

function namesOf(reader: ByteReader): readonly string[] {
  return Array.from({ length: reader.count(32) }, () => toHex(reader.bytes(32)))
}

function flagOf(value: number): boolean {
  if (value > 1) throw new MalformedError('a flag is neither 0 nor 1')
  return value === 1
}

/** Nobody signs yet; a signature of a scheme that is not known says nothing against the entry. */
function checkSignature(signature: Uint8Array): void {
  if (signature.length === 0 || (signature[0] === noSignature && signature.length !== 1)) {
    throw new MalformedError('its signature is malformed')
  }
}
