import type { SnapshotEdit, TagEdit } from '../api.js'
import { equalBytes, utf8 } from '../bytes/index.js'
import { jsonRecord } from '../crypto/json.js'
import { mostEntryBytes } from './entry.js'
import { snapshotOfJson } from './snapshot-record.js'
import type { LoggedSnapshot } from './state.js'

/**
 * A snapshot as an edit leaves it: the very same where that changes nothing. What else its JSON says stays as it is, also what this version
 * does not know. Undefined where it would become larger than a checkpoint can hold.
 */
export function editedSnapshot(snapshot: LoggedSnapshot, { name, tags }: SnapshotEdit): LoggedSnapshot | undefined {
  const { record } = snapshot
  const edited = {
    ...jsonRecord(snapshot.json),
    name: name === undefined ? record.name : (name ?? undefined),
    tags: editedTags(record.tags, tags),
  }
  const json = utf8(JSON.stringify(edited))
  if (json.length > mostEntryBytes) return undefined
  // Read back, so that who replays the entries and who starts from a checkpoint know the same.
  return equalBytes(json, snapshot.json) ? snapshot : { ...snapshot, json, record: snapshotOfJson(jsonRecord(json)) }
}

function editedTags(before: readonly string[], { set = before, remove = [], add = [] }: TagEdit = {}): string[] {
  return [...new Set([...set.filter((tag) => !remove.includes(tag)), ...add])]
}
