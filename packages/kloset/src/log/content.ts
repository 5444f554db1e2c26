import { type Bytes, MalformedError, utf8 } from '../bytes/index.js'
import { digitsOf, type JsonRecord, jsonRecord, listOf, textOf } from '../crypto/json.js'
import { type SnapshotRecord, snapshotJson, snapshotOfJson } from './snapshot-record.js'

/** What an entry of the log does. */
export type EntryKind =
  | 'snapshot'
  | 'forget'
  | 'undelete'
  | 'condemn'
  | 'suspect'
  | 'purge'
  | 'purged'
  | 'index-swap'
  | 'setting'

/** The private part of an entry, by kind. */
export type EntryContent =
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotRecord }
  /** The ids of the snapshots to forget, or to have again. */
  | { readonly kind: 'forget' | 'undelete'; readonly snapshots: readonly string[] }
  | { readonly kind: 'setting'; readonly name: string; readonly value: unknown }
  /** All there is to know is in the routing. */
  | { readonly kind: 'condemn' | 'suspect' | 'purge' | 'purged' | 'index-swap' }

/** The number that says `kind` in an entry. */
export function kindNumber(kind: EntryKind): number {
  return kinds.indexOf(kind) + 1
}

/** The kind with this number; undefined for one that this version does not know. */
export function kindOfNumber(number: number): EntryKind | undefined {
  return kinds[number - 1]
}

/** The private part as it is sealed. */
export function encodeContent(content: EntryContent): Bytes {
  return utf8(JSON.stringify(jsonOf(content)))
}

/** @throws MalformedError */
export function decodeContent(kind: EntryKind, bytes: Uint8Array): EntryContent {
  const json = jsonRecord(bytes)
  switch (kind) {
    case 'snapshot':
      return { kind, snapshot: snapshotOfJson(json) }
    case 'forget':
    case 'undelete':
      return { kind, snapshots: listOf(json.snapshots, 'a snapshot id', (id, what) => digitsOf(id, what, 32)) }
    case 'setting':
      if (!('value' in json)) throw new MalformedError('a setting has no value')
      return { kind, name: textOf(json.name, 'the name of a setting'), value: json.value }
    case 'condemn':
    case 'suspect':
    case 'purge':
    case 'purged':
    case 'index-swap':
      return { kind }
  }
  throw new TypeError(`unknown kind ${kind satisfies never}`)
}

const kinds: readonly EntryKind[] = [
  'snapshot',
  'forget',
  'undelete',
  'condemn',
  'suspect',
  'purge',
  'purged',
  'index-swap',
  'setting',
]

function jsonOf(content: EntryContent): JsonRecord {
  switch (content.kind) {
    case 'snapshot':
      return snapshotJson(content.snapshot)
    case 'forget':
    case 'undelete':
      return { snapshots: content.snapshots }
    case 'setting':
      return { name: content.name, value: content.value ?? null }
    default:
      return {}
  }
}
