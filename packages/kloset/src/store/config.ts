import { type Bytes, concatBytes, MalformedError, toHex, utf8 } from '../bytes/index.js'
import type { Encryption } from '../crypto/index.js'
import {
  choiceOf,
  countOf,
  digitsOf,
  type JsonRecord,
  jsonRecord,
  listOf,
  recordOf,
  textOf,
  timeOf,
} from '../crypto/json.js'
import { KlosetError } from '../errors.js'
import { keyedBlake3 } from '../hash/index.js'
import { runtime } from '../runtime/index.js'

/** What a store is: fixed when it is created. */
export interface StoreConfig {
  /** Store id, 32 hexadecimal digits. */
  readonly store: string
  /** The family it belongs to, 32 hexadecimal digits; absent, it is one of its own. */
  readonly family?: string | undefined
  /** ISO 8601 with milliseconds, in UTC. */
  readonly created: string
  /** Names of features that a reader must know. */
  readonly requires: readonly string[]
  readonly encryption: Encryption
  /** Lengths of chunks in bytes. */
  readonly chunker: { readonly min: number; readonly normal: number; readonly max: number }
  /** Bytes gathered into one frame. */
  readonly frame: number
  /** Bytes of a pack. */
  readonly pack: number
  /** What writers compress with unless told otherwise; readers go by each frame. */
  readonly codec: StoreCodec
}

/** `auto`: zstd where the runtime has it natively, LZ4 elsewhere. */
export type StoreCodec = 'auto' | 'zstd' | 'lz4' | 'deflate' | 'none'

/** The object `config`. @throws RangeError for settings that the format does not allow */
export function encodeConfig(config: StoreConfig, configKey: Uint8Array): Bytes {
  const line = utf8(JSON.stringify(jsonOf(config)))
  const refused = refusedSettings(config)
  if (refused !== undefined) throw new RangeError(refused)
  const bytes = concatBytes(line, lineFeed, macLine(line, configKey))
  if (bytes.length > mostBytes) throw new RangeError('a config is too large')
  // One that readers refuse would be a store that nobody can open.
  decodeConfig(bytes)
  return bytes
}

/**
 * Reads a config before any key is known: believe it only as far as needed to unlock the store, then {@link verifyConfig}.
 * @throws KLOSET_CONFIG_CORRUPT where it is damaged or something else; KLOSET_VERSION where a newer kloset made the store
 */
export function decodeConfig(bytes: Uint8Array): StoreConfig {
  return orCorrupt(() => {
    const json = jsonRecord(linesOf(bytes)[0])
    if (json.format !== 'kloset') throw new MalformedError('it is not that of a kloset store')
    const version = countOf(json.version, 'its version')
    if (version !== 1) throw newer(`it has version ${version}`)
    const requires = listOf(json.requires, 'what it requires', textOf)
    const unknown = requires.filter((feature) => !features.includes(feature))
    if (unknown.length > 0) throw newer(`it requires ${unknown.join(', ')}`)
    const config = configOf(json, requires)
    const refused = refusedSettings(config)
    if (refused !== undefined) throw new MalformedError(refused)
    return config
  })
}

/** Verifies that the config is as it was when the store was created. @throws KLOSET_CONFIG_CORRUPT */
export function verifyConfig(bytes: Uint8Array, configKey: Uint8Array): void {
  orCorrupt(() => {
    const [line, mac] = linesOf(bytes)
    const expected = macLine(line, configKey)
    if (!runtime.timingSafeEqual(expected.subarray(0, -1), mac)) throw new MalformedError('its MAC does not fit')
  })
}

const mostBytes = 64 * 1024
const lineFeed = utf8('\n')

/** The features this version knows. */
const features: readonly string[] = []

const MiB = 1024 * 1024

function jsonOf(config: StoreConfig): JsonRecord {
  const { store, family, created, requires, encryption, chunker, frame, pack, codec } = config
  const { min, normal, max } = chunker
  return {
    format: 'kloset',
    version: 1,
    store,
    ...(family === undefined ? {} : { family }),
    created,
    requires,
    encryption,
    chunker: { min, normal, max },
    frame,
    pack,
    codec,
  }
}

function configOf(json: JsonRecord, requires: readonly string[]): StoreConfig {
  const chunker = recordOf(json.chunker, 'its chunker')
  return {
    store: digitsOf(json.store, 'its store id', 32),
    ...(json.family === undefined ? {} : { family: digitsOf(json.family, 'its family', 32) }),
    created: timeOf(json.created, 'its time'),
    requires,
    encryption: choiceOf(json.encryption, 'its encryption', ['aes-256-gcm', 'chacha20-poly1305', 'none']),
    chunker: {
      min: countOf(chunker.min, 'its smallest chunk'),
      normal: countOf(chunker.normal, 'its normal chunk'),
      max: countOf(chunker.max, 'its largest chunk'),
    },
    frame: countOf(json.frame, 'its frame size'),
    pack: countOf(json.pack, 'its pack size'),
    codec: choiceOf(json.codec, 'its codec', ['auto', 'zstd', 'lz4', 'deflate', 'none']),
  }
}

/** Why the sizes are not allowed, or undefined. */
/** Bytes. */
export const largestPack: number = 128 * 1024 * 1024

function refusedSettings({ chunker: { min, normal, max }, frame, pack }: StoreConfig): string | undefined {
  const whole = [min, normal, max, frame, pack].every(Number.isInteger)
  if (!whole || min < 64 || min >= normal || normal >= max || max > 16 * MiB) {
    return `chunks of ${min}, ${normal} and ${max} bytes, where 64 ≤ min < normal < max ≤ 16 MiB is needed`
  }
  if (!Number.isInteger(Math.log2(normal))) return `normal chunks of ${normal} bytes, which is not a power of two`
  if (frame < 4 * 1024 || frame > 4 * MiB) return `frames of ${frame} bytes, where 4 KiB to 4 MiB are allowed`
  if (pack < frame || pack > largestPack) return `packs of ${pack} bytes, where one frame to 128 MiB are allowed`
  return undefined
}

function macLine(line: Uint8Array, configKey: Uint8Array): Bytes {
  return utf8(`${toHex(keyedBlake3(configKey, line))}\n`)
}

function linesOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] {
  if (bytes.length > mostBytes) throw new MalformedError(`it has ${bytes.length} bytes`)
  const first = bytes.indexOf(0x0a)
  const second = bytes.indexOf(0x0a, first + 1)
  if (first < 0 || second < 0 || second !== bytes.length - 1) throw new MalformedError('it does not have two lines')
  return [bytes.subarray(0, first), bytes.subarray(first + 1, second)]
}

function newer(why: string): KlosetError {
  return new KlosetError('KLOSET_VERSION', `This store was made by a newer kloset: ${why}`, {
    hint: 'Update kloset to open this store.',
  })
}

function orCorrupt<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause
    throw new KlosetError('KLOSET_CONFIG_CORRUPT', `The config of the store is damaged: ${cause.message}`, {
      hint: 'Restore the object config from its copy config.copy, or from another copy of the store.',
      context: { object: 'config' },
      cause,
    })
  }
}
