import {
  ByteReader,
  type Bytes,
  ByteWriter,
  concatBytes,
  fromHex,
  MalformedError,
  toHex,
  utf8,
} from '../bytes/index.js'
import { bestCodec, type Codec, codecNumber, codecOfNumber, compress, decompress } from '../compress/index.js'
import { type Keyring, newHeader, readHeader, sealer } from '../crypto/index.js'
import { jsonRecord } from '../crypto/json.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { mostEntryBytes } from './entry.js'
import { checkpointObject } from './names.js'
import { snapshotOfJson } from './snapshot-record.js'
import { emptyState, type LoggedSnapshot, type LogState, type PackFate } from './state.js'

/** Whether a checkpoint can hold the state: not one that was read without understanding all of it. */
export function fitsCheckpoint(state: LogState): boolean {
  return state.readOnly === undefined
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

function encodeState({ position, hash, segments, snapshots, forgotten, packs, settings }: LogState): Bytes {
  const writer = new ByteWriter(4_096)
  writer.u64(position)
  writer.bytes(hash)
  writer.varint(segments.size)
  for (const name of segments) writer.bytes(fromHex(name))
  writeSnapshots(writer, snapshots)
  writeSnapshots(writer, forgotten)
  writer.varint(packs.size)
  for (const [name, fate] of packs) {
    writer.bytes(fromHex(name))
    writer.u8(fates.indexOf(fate.fate) + 1)
    writer.u64(fate.position)
    writer.u64(fate.time)
  }
  writer.sized(utf8(JSON.stringify(Object.fromEntries(settings))))
  return writer.finish()
}

function decodeState(bytes: Uint8Array): LogState {
  const reader = new ByteReader(bytes)
  const position = reader.u64()
  const hash = reader.bytes(32).slice() as Bytes
  const segments = new Set<string>()
  for (let left = reader.count(32); left > 0; left--) segments.add(toHex(reader.bytes(32)))
  const snapshots = readSnapshots(reader, position)
  const forgotten = readSnapshots(reader, position)
  const packs = new Map<string, PackFate>()
  for (let left = reader.count(32 + 1 + 8 + 8); left > 0; left--) {
    const name = toHex(reader.bytes(32))
    const fate = fates[reader.u8() - 1]
    if (fate === undefined) throw new MalformedError('a pack has an unknown fate')
    packs.set(name, { fate, position: reader.u64(), time: reader.u64() })
  }
  const settings = new Map(Object.entries(jsonRecord(reader.sized(reader.left))))
  reader.end()
  return { ...emptyState, position, hash, segments, snapshots, forgotten, packs, settings }
}

const fates: readonly PackFate['fate'][] = ['suspect', 'condemned', 'purging', 'dead']

function writeSnapshots(writer: ByteWriter, snapshots: LogState['snapshots']): void {
  writer.varint(snapshots.size)
  for (const { position, hash, time, json } of snapshots.values()) {
    writer.u64(position)
    writer.bytes(hash)
    writer.u64(time)
    writer.sized(json)
  }
}

function readSnapshots(reader: ByteReader, most: number): Map<string, LoggedSnapshot> {
  const snapshots = new Map<string, LoggedSnapshot>()
  for (let left = reader.count(8 + 32 + 8 + 1); left > 0; left--) {
    const snapshot = decodeSnapshot(reader)
    if (snapshot.position > most) throw new MalformedError('a snapshot is of a later position')
    snapshots.set(snapshot.record.id, snapshot)
  }
  return snapshots
}

function decodeSnapshot(reader: ByteReader): LoggedSnapshot {
  const position = reader.u64()
  const hash = reader.bytes(32).slice() as Bytes
  const time = reader.u64()
  const json = reader.sized(mostEntryBytes).slice() as Bytes
  return { position, hash, time, record: snapshotOfJson(jsonRecord(json)), json }
}
