import { ByteReader, type Bytes, ByteWriter, concatBytes, fromHex, MalformedError, toHex } from '../bytes/index.js'
import { bestCodec, type Codec, codecNumber, codecOfNumber, compress, decompress } from '../compress/index.js'
import { type Keyring, newHeader, readHeader, sealer } from '../crypto/index.js'
import { jsonRecord } from '../crypto/json.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { mostEntryBytes } from './entry.js'
import { checkpointObject } from './names.js'
import { snapshotOfJson } from './snapshot-record.js'
import { emptyState, type LoggedSnapshot, type LogState } from './state.js'

/**
 * Whether a checkpoint can hold the whole state: it has no place for forgotten snapshots, fates of packs and settings, and what it
 * left out would be lost to its readers.
 */
export function fitsCheckpoint(state: LogState): boolean {
  const { forgotten, packs, settings, readOnly } = state
  return forgotten.size + packs.size + settings.size === 0 && readOnly === undefined
}

/** Seals a state. @throws RangeError unless it {@link fitsCheckpoint}; KLOSET_LIMIT beyond 256 MiB */
export function encodeCheckpoint(
  keyring: Keyring,
  state: LogState,
  codec: Codec = bestCodec(),
  salt: Bytes = runtime.randomBytes(32),
): Bytes {
  if (!fitsCheckpoint(state)) throw new RangeError('a checkpoint cannot hold this state')
  const raw = encodeState(state)
  if (raw.length > mostBytes) throw new KlosetError('KLOSET_LIMIT', `A checkpoint of ${raw.length} bytes is too large`)
  const stored = compress(codec, raw)
  const frame = new ByteWriter(frameHeaderLength)
  frame.u8(codecNumber(stored === undefined ? 'none' : codec))
  frame.u32(0)
  frame.u32(raw.length)
  frame.u32(stored?.length ?? raw.length)
  const header = newHeader('checkpoint', keyring.epoch, undefined, salt)
  const plaintext = concatBytes(frame.view(), stored ?? raw)
  return concatBytes(header.bytes, sealer(keyring, header, 'checkpoints').seal(0, 0, plaintext))
}

/** Opens the checkpoint that is stored as `checkpoints/<position>`. @throws KLOSET_LOG_CORRUPT */
export function decodeCheckpoint(keyring: Keyring, position: number, bytes: Uint8Array): LogState {
  try {
    const header = readHeader('checkpoint', bytes)
    const plaintext = sealer(keyring, header, 'checkpoints').open(0, 0, bytes.subarray(header.bytes.length))
    const state = decodeState(openFrame(plaintext))
    if (state.position !== position) throw new MalformedError(`it is of position ${state.position}`)
    return state
  } catch (cause) {
    if (!(cause instanceof MalformedError) && !isKlosetError(cause)) throw cause
    throw new KlosetError('KLOSET_LOG_CORRUPT', `${checkpointObject(position)} is damaged: ${cause.message}`, {
      hint: 'Nothing is lost: the log itself says the same, and is read instead.',
      context: { object: checkpointObject(position), position },
      cause,
    })
  }
}

const mostBytes = 256 * 1024 * 1024
const frameHeaderLength = 13

function openFrame(plaintext: Uint8Array): Bytes {
  const reader = new ByteReader(plaintext)
  const codec = codecOfNumber(reader.u8())
  if (reader.u32() !== 0) throw new MalformedError('it needs a dictionary')
  const rawLength = reader.u32()
  const stored = reader.bytes(reader.u32())
  if (rawLength > mostBytes) throw new MalformedError(`it would have ${rawLength} bytes`)
  if (reader.bytes(reader.left).some((byte) => byte !== 0)) throw new MalformedError('its padding is not zero')
  return decompress(codec, stored, rawLength)
}

function encodeState({ position, hash, segments, snapshots }: LogState): Bytes {
  const writer = new ByteWriter(4_096)
  writer.u64(position)
  writer.bytes(hash)
  writer.varint(segments.size)
  for (const name of segments) writer.bytes(fromHex(name))
  writer.varint(snapshots.size)
  for (const snapshot of snapshots.values()) {
    writer.u64(snapshot.position)
    writer.bytes(snapshot.hash)
    writer.u64(snapshot.time)
    writer.sized(snapshot.json)
  }
  return writer.finish()
}

function decodeState(bytes: Uint8Array): LogState {
  const reader = new ByteReader(bytes)
  const position = reader.u64()
  const hash = reader.bytes(32).slice() as Bytes
  const segments = new Set<string>()
  for (let left = reader.count(32); left > 0; left--) segments.add(toHex(reader.bytes(32)))
  const snapshots = new Map<string, LoggedSnapshot>()
  for (let left = reader.count(8 + 32 + 8 + 1); left > 0; left--) {
    const snapshot = decodeSnapshot(reader)
    if (snapshot.position > position) throw new MalformedError('a snapshot is of a later position')
    snapshots.set(snapshot.record.id, snapshot)
  }
  reader.end()
  return { ...emptyState, position, hash, segments, snapshots }
}

function decodeSnapshot(reader: ByteReader): LoggedSnapshot {
  const position = reader.u64()
  const hash = reader.bytes(32).slice() as Bytes
  const time = reader.u64()
  const json = reader.sized(mostEntryBytes).slice() as Bytes
  return { position, hash, time, record: snapshotOfJson(jsonRecord(json)), json }
}
