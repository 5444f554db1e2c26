import type { SnapshotEdit, TagEdit } from '../api.js'
import { type Bytes, MalformedError, utf8 } from '../bytes/index.js'
import { digitsOf, type JsonRecord, jsonRecord, listOf, recordOf, textOf } from '../crypto/json.js'
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
  | 'edit'

/** The private part of an entry, by kind. */
export type EntryContent =
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotRecord }
  /** The ids of the snapshots to forget, or to have again. */
  | { readonly kind: 'forget' | 'undelete'; readonly snapshots: readonly string[] }
  | { readonly kind: 'setting'; readonly name: string; readonly value: unknown }
  /** The ids of the snapshots whose name or tags change, and how. */
  | { readonly kind: 'edit'; readonly snapshots: readonly string[]; readonly edit: SnapshotEdit }
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
      return { kind, snapshots: idsOf(json) }
    case 'edit':
      return { kind, snapshots: idsOf(json), edit: editOfJson(json) }
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
  'edit',
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
    case 'edit':
      return { snapshots: content.snapshots, name: content.edit.name, tags: tagsJson(content.edit.tags) }
    default:
      return {}
  }
}

function idsOf(json: JsonRecord): readonly string[] {
  return listOf(json.snapshots, 'a snapshot id', (id, what) => digitsOf(id, what, 32))
}

function tagsJson(tags: TagEdit | undefined): JsonRecord | undefined {
  return tags && { set: tags.set, remove: tags.remove, add: tags.add }
}

function editOfJson({ name, tags }: JsonRecord): SnapshotEdit {
  return {
    ...(name === undefined ? {} : { name: name === null ? null : textOf(name, 'a name') }),
    ...(tags === undefined ? {} : { tags: tagEditOf(recordOf(tags, 'an edit of tags')) }),
  }
}

function tagEditOf(json: JsonRecord): TagEdit {
  const steps = (['set', 'remove', 'add'] as const).filter((step) => json[step] !== undefined)
  return Object.fromEntries(steps.map((step) => [step, listOf(json[step], 'a tag', textOf)]))
}
