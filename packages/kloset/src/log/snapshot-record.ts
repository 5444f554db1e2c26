import { MalformedError } from '../bytes/index.js'
import { countOf, digitsOf, type JsonRecord, listOf, recordOf, textOf, timeOf } from '../crypto/json.js'

/** Counts over a tree: entries by kind, bytes of content, entries with errors. */
export interface TotalsRecord {
  readonly files: number
  readonly directories: number
  readonly others: number
  readonly bytes: number
  readonly errors: number
}

/** One source of a snapshot. */
export interface SourceRecord {
  readonly type: string
  readonly origin: string
  readonly root: string
  /** Id of the root node of its tree, 64 hexadecimal digits. */
  readonly tree: string
  readonly totals: TotalsRecord
}

/** A snapshot as its log entry holds it, in the private part. */
export interface SnapshotRecord {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** ISO 8601 with milliseconds, in UTC: when the backup started. */
  readonly time: string
  /** Milliseconds. */
  readonly duration: number
  readonly host: string
  readonly user: string
  readonly name?: string | undefined
  readonly tags: readonly string[]
  /** Id of the snapshot it was compared with. */
  readonly parent?: string | undefined
  /** Name and version of what made it. */
  readonly tool: string
  /** Which id keys its ids were made with; 0. */
  readonly domain: number
  readonly sources: readonly SourceRecord[]
  /** Settings of the backup, for the next one to compare with. */
  readonly options?: JsonRecord | undefined
  /** What the backup added to the store. */
  readonly written: { readonly blobs: number; readonly bytes: number; readonly stored: number }
}

/** What a snapshot that was imported was made from. */
export interface ImportedFrom {
  /** The kind of program. */
  readonly from: string
  /** Its id there. */
  readonly id: string
  /** Names everything that was in it there. */
  readonly content: string
}

/** What a snapshot was imported from; undefined where it was not. */
export function importedFrom({ options }: SnapshotRecord): ImportedFrom | undefined {
  const { from, id, content } = (options?.imported ?? {}) as Partial<Record<keyof ImportedFrom, unknown>>
  if (typeof from !== 'string' || typeof id !== 'string' || typeof content !== 'string') return undefined
  return { from, id, content }
}

/** The JSON of a snapshot, in the order of the format. */
export function snapshotJson(record: SnapshotRecord): JsonRecord {
  const { id, time, duration, host, user, name, tags, parent, tool, domain, sources, options, written } = record
  return {
    id,
    time,
    duration,
    host,
    user,
    name,
    tags,
    parent,
    tool,
    domain,
    sources: sources.map(({ type, origin, root, tree, totals }) => ({ type, origin, root, tree, totals })),
    options,
    written,
  }
}

/** @throws MalformedError */
export function snapshotOfJson(json: JsonRecord): SnapshotRecord {
  const written = recordOf(json.written, 'what it wrote')
  return {
    id: digitsOf(json.id, 'its id', 32),
    time: timeOf(json.time, 'its time'),
    duration: countOf(json.duration, 'its duration'),
    host: textOf(json.host, 'its host'),
    user: textOf(json.user, 'its user'),
    ...(json.name === undefined ? {} : { name: textOf(json.name, 'its name') }),
    tags: listOf(json.tags, 'its tags', textOf),
    ...(json.parent === undefined ? {} : { parent: digitsOf(json.parent, 'its parent', 32) }),
    tool: textOf(json.tool, 'its tool'),
    domain: countOf(json.domain, 'its domain', 65_535),
    sources: listOf(json.sources, 'its sources', sourceOfJson),
    ...(json.options === undefined ? {} : { options: shallow(recordOf(json.options, 'its options')) }),
    written: {
      blobs: countOf(written.blobs, 'what it wrote'),
      bytes: countOf(written.bytes, 'what it wrote'),
      stored: countOf(written.stored, 'what it wrote'),
    },
  }
}

function sourceOfJson(value: unknown): SourceRecord {
  const source = recordOf(value, 'a source')
  const totals = recordOf(source.totals, 'the totals of a source')
  return {
    type: textOf(source.type, 'the type of a source'),
    origin: textOf(source.origin, 'the origin of a source'),
    root: textOf(source.root, 'the root of a source'),
    tree: digitsOf(source.tree, 'the tree of a source', 64),
    totals: {
      files: countOf(totals.files, 'a total'),
      directories: countOf(totals.directories, 'a total'),
      others: countOf(totals.others, 'a total'),
      bytes: countOf(totals.bytes, 'a total'),
      errors: countOf(totals.errors, 'a total'),
    },
  }
}

/** Options nest a little; thousands of levels, which fit into an entry, would overflow the stack of whoever walks them. */
function shallow(options: JsonRecord): JsonRecord {
  let level: unknown[] = [options]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > 16) throw new MalformedError('its options are nested too deep')
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
  return options
}
