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

/**
 * Only what cannot be done without has to be as the format says: id, time, domain, and the trees. Anything else that is odd counts as unknown,
 * since one such value must not cost a snapshot whose content is whole.
 * @throws MalformedError
 */
export function snapshotOfJson(json: JsonRecord): SnapshotRecord {
  requireShallow(json)
  const written = orElse(() => recordOf(json.written, 'what it wrote'), nothing)
  const name = orElse(() => textOf(json.name, 'its name'), undefined)
  const parent = orElse(() => digitsOf(json.parent, 'its parent', 32), undefined)
  const options = orElse(() => recordOf(json.options, 'its options'), undefined)
  return {
    id: digitsOf(json.id, 'its id', 32),
    time: timeOf(json.time, 'its time'),
    duration: knownCount(json.duration),
    host: knownText(json.host),
    user: knownText(json.user),
    ...(name === undefined ? {} : { name }),
    tags: Array.isArray(json.tags) ? json.tags.filter((tag) => typeof tag === 'string') : [],
    ...(parent === undefined ? {} : { parent }),
    tool: knownText(json.tool),
    domain: countOf(json.domain, 'its domain', 65_535),
    sources: listOf(json.sources, 'its sources', sourceOfJson),
    ...(options === undefined ? {} : { options }),
    written: {
      blobs: knownCount(written.blobs),
      bytes: knownCount(written.bytes),
      stored: knownCount(written.stored),
    },
  }
}

/**
 * Refuses a record that readers would take for something else than it says.
 * @throws TypeError
 */
export function requireReadable(record: SnapshotRecord): void {
  const written = JSON.parse(JSON.stringify(snapshotJson(record))) as JsonRecord
  let read: JsonRecord
  try {
    read = JSON.parse(JSON.stringify(snapshotJson(snapshotOfJson(written)))) as JsonRecord
  } catch (cause) {
    throw new TypeError(`a snapshot cannot be recorded like this: ${(cause as Error).message}`, { cause })
  }
  for (const [key, value] of Object.entries(written)) {
    if (JSON.stringify(read[key]) === JSON.stringify(value)) continue
    throw new TypeError(
      `a snapshot cannot be recorded like this: nobody could read its ${key}, ${JSON.stringify(value)}`,
    )
  }
}

function sourceOfJson(value: unknown): SourceRecord {
  const source = recordOf(value, 'a source')
  const totals = orElse(() => recordOf(source.totals, 'the totals of a source'), nothing)
  return {
    type: knownText(source.type),
    origin: knownText(source.origin),
    root: knownText(source.root),
    tree: digitsOf(source.tree, 'the tree of a source', 64),
    totals: {
      files: knownCount(totals.files),
      directories: knownCount(totals.directories),
      others: knownCount(totals.others),
      bytes: knownCount(totals.bytes),
      errors: knownCount(totals.errors),
    },
  }
}

const nothing: JsonRecord = {}

function orElse<T, U>(read: () => T, other: U): T | U {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) return other
    throw error
  }
}

function knownText(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown'
}

function knownCount(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

/** A record nests a little; thousands of levels, which fit into an entry, would overflow the stack of whoever walks or writes them. */
function requireShallow(json: JsonRecord): void {
  let level: unknown[] = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > 17) throw new MalformedError('it is nested too deep')
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}
