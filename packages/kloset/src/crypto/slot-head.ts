import { type Bytes, fromHex, toHex, utf8 } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { choiceOf, countOf, digitsOf, type JsonRecord, jsonRecord, recordOf, textOf, timeOf } from './json.js'
import type { Argon2Costs } from './passphrase.js'

/** How the unlocking key follows from what a person has: from a passphrase, or it is the raw key itself. */
export type SlotKdf = ({ readonly name: 'argon2id'; readonly salt: Bytes } & Argon2Costs) | { readonly name: 'none' }

/** The first line of a key slot: what can be known of it without unlocking. */
export interface SlotHead {
  /** Store id, 32 hexadecimal digits. */
  readonly store: string
  /** Slot id, 32 hexadecimal digits. */
  readonly slot: string
  /** What people call it. */
  readonly label: string
  /** ISO 8601 with milliseconds, in UTC. */
  readonly created: string
  readonly kdf: SlotKdf
  /** X25519, 32 bytes. */
  readonly publicKey: Bytes
}

/** The line without its line feed. */
export function encodeSlotHead({ store, slot, label, created, kdf, publicKey }: SlotHead): Bytes {
  return utf8(
    JSON.stringify({
      version: 1,
      store,
      slot,
      kind: kdf.name === 'argon2id' ? 'passphrase' : 'raw',
      label,
      created,
      kdf:
        kdf.name === 'argon2id'
          ? {
              name: kdf.name,
              salt: toHex(kdf.salt),
              memoryKiB: kdf.memoryKiB,
              passes: kdf.passes,
              lanes: kdf.lanes,
            }
          : { name: kdf.name },
      publicKey: toHex(publicKey),
    }),
  )
}

/** @throws MalformedError; KLOSET_VERSION where a newer kloset wrote it */
export function decodeSlotHead(line: Uint8Array): SlotHead {
  const head = jsonRecord(line)
  const version = countOf(head.version, 'its version')
  if (version !== 1) {
    throw new KlosetError('KLOSET_VERSION', `This key slot has version ${version}, which a newer kloset wrote`, {
      hint: 'Update kloset, or unlock with another key slot.',
    })
  }
  const kdf = kdfOf(recordOf(head.kdf, 'its key derivation'))
  choiceOf(head.kind, 'its kind', [kdf.name === 'argon2id' ? 'passphrase' : 'raw'])
  return {
    store: digitsOf(head.store, 'its store', 32),
    slot: digitsOf(head.slot, 'its id', 32),
    label: textOf(head.label, 'its label'),
    created: timeOf(head.created, 'its time'),
    kdf,
    publicKey: fromHex(digitsOf(head.publicKey, 'its public key', 64)),
  }
}

function kdfOf(kdf: JsonRecord): SlotKdf {
  const name = choiceOf(kdf.name, 'its key derivation', ['argon2id', 'none'])
  if (name === 'none') return { name }
  return {
    name,
    salt: fromHex(digitsOf(kdf.salt, 'its salt', 32)),
    memoryKiB: countOf(kdf.memoryKiB, 'its memory'),
    passes: countOf(kdf.passes, 'its number of passes'),
    lanes: countOf(kdf.lanes, 'its number of lanes'),
  }
}
