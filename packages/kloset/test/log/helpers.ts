import { type Bytes, toHex } from '../../src/bytes/index.js'
import type { Keyring } from '../../src/crypto/index.js'
import {
  decodeEntry,
  type EntryDraft,
  type EntryPlace,
  emptyState,
  encodeEntry,
  type LogEntry,
  replay,
  type SnapshotRecord,
} from '../../src/log/index.js'
import { counted, fixedRandom } from '../crypto/helpers.js'

/** 64 hexadecimal digits that name nothing real. */
export function nameOf(seed: number): string {
  return seed.toString(16).padStart(64, '0')
}

export function snapshotRecord(seed: number, more: Partial<SnapshotRecord> = {}): SnapshotRecord {
  return {
    id: seed.toString(16).padStart(32, '0'),
    time: '2026-01-31T12:00:00.000Z',
    duration: 1_234,
    host: 'laptop',
    user: 'anna',
    tags: [],
    tool: 'kloset 0.1.0',
    domain: 0,
    sources: [
      {
        type: 'fs',
        origin: 'laptop',
        root: '/home/anna',
        tree: nameOf(seed),
        totals: { files: 1, directories: 2, others: 3, bytes: 4, errors: 5 },
      },
    ],
    written: { blobs: 6, bytes: 7, stored: 8 },
    ...more,
  }
}

export function snapshotDraft(seed: number, more: Partial<EntryDraft> = {}): EntryDraft {
  return { content: { kind: 'snapshot', snapshot: snapshotRecord(seed) }, ...more }
}

export const place: EntryPlace = {
  position: 1,
  previous: new Uint8Array(32),
  nonce: counted(16, 0xe0),
  writer: counted(16, 0xd0),
  time: Date.UTC(2026, 0, 31, 12),
}

/** A chain of entries from drafts, each as its object and as it is read. Another `history` gives others of the same drafts. */
export function chain(
  keyring: Keyring,
  drafts: readonly EntryDraft[],
  history = 1,
): readonly { bytes: Bytes; entry: LogEntry }[] {
  let previous = emptyState.hash
  return drafts.map((draft, i) => {
    const bytes = encodeEntry(
      keyring,
      { ...place, position: i + 1, previous, time: 1_000 + i },
      draft,
      fixedRandom(history),
    )
    const entry = decodeEntry(keyring, i + 1, bytes)
    previous = entry.hash
    return { bytes, entry }
  })
}

/** The state after drafts. */
export function stateAfter(keyring: Keyring, drafts: readonly EntryDraft[]): ReturnType<typeof replay>['state'] {
  return replay(chain(keyring, drafts).map(({ entry }) => entry)).state
}

/** What tests compare of a state. */
export function summary(state: ReturnType<typeof stateAfter>): unknown {
  return {
    position: state.position,
    hash: toHex(state.hash),
    segments: [...state.segments],
    snapshots: [...state.snapshots].map(([id, { position, record }]) => [id, position, record]),
    forgotten: [...state.forgotten.keys()],
    packs: [...state.packs],
    settings: [...state.settings],
    readOnly: state.readOnly,
  }
}
