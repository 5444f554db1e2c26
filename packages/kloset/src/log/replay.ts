import type { SnapshotEdit } from '../api.js'
import { type Bytes, equalBytes, MalformedError } from '../bytes/index.js'
import { isKlosetError, type KlosetError } from '../errors.js'
import type { EntryContent } from './content.js'
import { editedSnapshot } from './edited.js'
import { corruptEntry, type LogEntry } from './entry.js'
import { emptyState, type LoggedSnapshot, type LogState, type PackFate } from './state.js'

/** The state after some entries. */
export interface Replayed {
  /** Up to the damage, where there is some. */
  readonly state: LogState
  /** KLOSET_LOG_CORRUPT, with the position of the first entry that cannot be used. */
  readonly damage: KlosetError | undefined
}

/**
 * Continues `from` with the entries that follow it, each the next in position and naming the one before. An error stands for an entry that
 * could not be read or is missing: nothing after it counts.
 */
export function replay(entries: Iterable<LogEntry | KlosetError>, from: LogState = emptyState): Replayed {
  const state = new Replaying(from)
  for (const entry of entries) {
    const damage = isKlosetError(entry) ? entry : state.refusal(entry)
    if (damage !== undefined) return { state: state.finish(), damage }
    state.apply(entry as LogEntry)
  }
  return { state: state.finish(), damage: undefined }
}

class Replaying implements LogState {
  position: number
  hash: Bytes
  readonly segments: Set<string>
  readonly snapshots: Map<string, LoggedSnapshot>
  readonly forgotten: Map<string, LoggedSnapshot>
  readonly packs: Map<string, PackFate>
  readonly settings: Map<string, unknown>
  readOnly: string | undefined

  constructor(from: LogState) {
    this.position = from.position
    this.hash = from.hash
    this.segments = new Set(from.segments)
    this.snapshots = new Map(from.snapshots)
    this.forgotten = new Map(from.forgotten)
    this.packs = new Map(from.packs)
    this.settings = new Map(from.settings)
    this.readOnly = from.readOnly
  }

  /** Why this entry cannot follow, if it cannot. */
  refusal(entry: LogEntry): KlosetError | undefined {
    const next = this.position + 1
    if (entry.position !== next)
      return corruptEntry(next, new MalformedError(`entry ${entry.position} is in its place`))
    if (equalBytes(entry.previous, this.hash)) return undefined
    return corruptEntry(next, new MalformedError(`it does not follow entry ${this.position} as that is now`))
  }

  apply(entry: LogEntry): void {
    this.position = entry.position
    this.hash = entry.hash
    if (entry.content === undefined && entry.malformed === undefined) {
      if (entry.critical) this.readOnly ??= `entry ${entry.position} is of kind ${entry.kindNumber}, which is not known`
      return
    }
    for (const name of entry.segmentsRemoved) this.segments.delete(name)
    for (const name of entry.segmentsAdded) this.segments.add(name)
    this.#lift(entry)
    if (entry.content !== undefined) this.#applyContent(entry, entry.content)
  }

  finish(): LogState {
    const { position, hash, segments, snapshots, forgotten, packs, settings, readOnly } = this
    return { position, hash, segments, snapshots, forgotten, packs, settings, readOnly }
  }

  #applyContent(entry: LogEntry, content: EntryContent): void {
    switch (content.kind) {
      case 'snapshot':
        this.#addSnapshot(entry, content.snapshot)
        break
      case 'forget':
        move(content.snapshots, this.snapshots, this.forgotten)
        break
      case 'undelete':
        move(content.snapshots, this.forgotten, this.snapshots)
        break
      case 'setting':
        this.settings.set(content.name, content.value)
        break
      case 'edit':
        this.#edit(content.snapshots, content.edit)
        break
      case 'suspect':
        this.#decide(entry, 'suspect', [])
        break
      case 'condemn':
        this.#decide(entry, 'condemned', ['suspect'])
        break
      case 'purge':
        this.#decide(entry, 'purging', ['suspect', 'condemned'])
        break
      case 'purged':
        this.#decide(entry, 'dead', ['suspect', 'condemned', 'purging'])
        break
      case 'index-swap':
        break
      default:
        content satisfies never
    }
  }

  #addSnapshot({ position, hash, time, privateBytes }: LogEntry, record: LoggedSnapshot['record']): void {
    if (this.snapshots.has(record.id)) return
    // A synchronization that was told to brings back what was forgotten, all of it stored anew where need be.
    this.forgotten.delete(record.id)
    this.snapshots.set(record.id, { position, hash, time, record, json: privateBytes })
  }

  /** Of those that were forgotten since the entry was made, nothing changes: they come back as they went. */
  #edit(ids: readonly string[], edit: SnapshotEdit): void {
    for (const id of ids) {
      const snapshot = this.snapshots.get(id)
      // Where an edit makes too much of one, it stays: whoever replays this decides alike.
      if (snapshot !== undefined) this.snapshots.set(id, editedSnapshot(snapshot, edit) ?? snapshot)
    }
  }

  /** Protocol rule 4: only what was not purged yet can be lifted. */
  #lift({ lifted }: LogEntry): void {
    for (const name of lifted) {
      const fate = this.packs.get(name)?.fate
      if (fate === 'suspect' || fate === 'condemned') this.packs.delete(name)
    }
  }

  /** A pack's fate only ever gets worse, unless it is lifted: `replaces` are those that this one is worse than. */
  #decide({ position, time, packs }: LogEntry, fate: PackFate['fate'], replaces: readonly PackFate['fate'][]): void {
    for (const name of packs) {
      const before = this.packs.get(name)?.fate
      if (before === undefined || replaces.includes(before)) this.packs.set(name, { fate, position, time })
    }
  }
}

function move(ids: readonly string[], from: Map<string, LoggedSnapshot>, to: Map<string, LoggedSnapshot>): void {
  for (const id of ids) {
    const snapshot = from.get(id)
    if (snapshot === undefined) continue
    from.delete(id)
    to.set(id, snapshot)
  }
}
