import type {
  Bytes,
  Connector,
  Content,
  Context,
  Destination,
  Entry,
  History,
  PastSnapshot,
  Source,
} from './connector/index.js'
import type { ExclusionReason, FilterRules, PatternRule } from './filter/index.js'
import type { FailedEntry, Run } from './run.js'

/** How a store is unlocked. A plaintext store is opened only by saying so. */
export type Unlock =
  | { readonly passphrase: string }
  | { readonly key: Uint8Array }
  /**
   * `true`: it is known to be without encryption. `'remembered'`: only where this machine remembers (`remember`) that the store at this place is, or `trust`
   * accepts it: somebody else may have put it there.
   */
  | { readonly plaintext: true | 'remembered' }

/** A pool of workers shared by stores. */
export interface Engine extends AsyncDisposable {
  /** How many threads work; 0 where all runs on the calling thread. */
  readonly workers: number
  /**
   * Starts to scan a local source before the store is open, which takes a third of a second for its passphrase alone. The next backup
   * of this very source in a store that was opened with this engine goes on from there, if it has the same options. Without effect on
   * sources that are not scanned by workers.
   * @throws TypeError or RangeError for a filter that is none
   */
  scanAhead(source: Source, options?: ScanOptions): void
  close(): Promise<void>
}

/** How a source is scanned. */
export interface ScanOptions {
  /** What to leave out; default: nothing. The snapshot records it. */
  readonly filter?: FilterRules
  /** Also tell each entry as an event (`new`, `changed`, `unchanged`, `excluded`): costs time. */
  readonly entries?: boolean
  /**
   * The roots that the sources stand for, one for each in their order: where the folder usually is that is mounted elsewhere today, or of
   * which this is a snapshot of the filesystem. They are recorded as the sources' roots, and the parent is found by them. Patterns that are
   * absolute paths may start with them.
   */
  readonly as?: string | readonly string[]
}

/** Settings of {@link createEngine}. */
export interface EngineOptions {
  /** How many worker threads; default: one a core, at most 8. 0 runs everything on the calling thread. */
  readonly workers?: number
  /** The worker's file, where a bundler moved it. Default: beside this module. */
  readonly worker?: URL
}

/** Something of note that is not an error, about opening or running. */
export interface Notice {
  readonly type: 'notice'
  readonly code:
    | 'workers-unavailable'
    | 'copy-used'
    | 'index-rebuilt'
    | 'log-damaged'
    | 'snapshot-in-future'
    | 'adopted'
    | 'parent-damaged'
    | 'packs-missing'
    | 'pruned-meanwhile'
    | 'source-lacks'
    | 'stream-empty'
    | 'store-left-out'
    | 'time-moved'
    | 'rechunked'
    | 'cache-unusable'
    | 'memory-unusable'
    | 'memory-damaged'
    | 'not-deleted'
    | 'protected'
  readonly message: string
}

/** Where and how much this machine keeps of what it has read of stores. */
export interface CacheOptions {
  /** Default: `$XDG_CACHE_HOME/kloset`, or `~/.cache/kloset`. Each store gets a folder of its own in it. */
  readonly folder?: string
  /**
   * The most bytes for all stores together, default 4 GiB; what was not used for longest goes first. The sorted index of a store that is in
   * use stays, whatever the size: about 50 bytes a chunk where there are more than half a million.
   */
  readonly size?: number
}

/** What {@link openStore} takes. */
export interface OpenOptions {
  readonly unlock: Unlock
  /**
   * Starts the engine's threads at once, where what follows will need them (a restore, a check). Threads that are started derive the key of a passphrase, where the
   * runtime cannot do that on others (Node from 24.7 on); where there are none, threads of their own do, which end with the 64 MiB that it takes. The engine's may keep
   * those until they collect garbage.
   */
  readonly threadsAhead?: boolean
  /** The connectors that locations may name, such as `fs` of `@kloset/connector-fs`. Not needed for a `Storage` object. */
  readonly connectors?: readonly Connector[]
  /** Settings of the storage's connector by name. */
  readonly options?: Readonly<Record<string, string | number | boolean>>
  /** Default `write`. */
  readonly mode?: 'read' | 'write'
  readonly engine?: Engine
  /** Keeps index segments, log entries, tree nodes and keys on this machine, so that they are not read again. Default: no. */
  readonly cache?: boolean | CacheOptions
  /**
   * Remembers which store is where, which keys it has, and the newest log entry that was seen, so that one that was exchanged, was given other keys, went back or
   * was forked is recognised (KLOSET_STORE_CHANGED, KLOSET_KEYS_CHANGED, KLOSET_LOG_CHANGED).
   * `true`: below `$XDG_STATE_HOME/kloset`; a string: in this folder. Default: no.
   */
  readonly remember?: boolean | string
  /** Accepts the store as it is now, whatever is remembered: what is wrong with it was looked into. */
  readonly trust?: boolean
  /**
   * Takes a log whose end is damaged as it was before the damage, for reading. Without this, `latest` and selections are refused there
   * (KLOSET_LOG_CORRUPT), and only ids are taken: nobody knows which snapshots came after.
   */
  readonly damagedLog?: boolean
  /**
   * Promises that nobody else writes meanwhile. Only needed where the storage cannot tell which of two writers was first: without
   * this, such a store is not written to.
   */
  readonly exclusive?: boolean
  /**
   * Asks what only a person can decide, such as whether an unknown server is the right one. Absent: nobody is there to be asked, and what is
   * in doubt is refused.
   */
  readonly ask?: Context['ask'] | undefined
  /** How much of the line, and of the storage, this may use. */
  readonly limits?: Limits
  readonly signal?: AbortSignal | undefined
  onNotice?(notice: Notice): void
}

/** What a store may use of its storage; without, as much as there is. */
export interface Limits {
  /** Bytes a second that are sent, at least 16 KiB. */
  readonly upload?: number
  /** Bytes a second that are received, at least 16 KiB. */
  readonly download?: number
  /** Requests at once, at least 1; what the storage says it does well is the most. */
  readonly concurrency?: number
}

/** What {@link createStore} takes: none of it can be changed later, except how the store is unlocked. */
export interface CreateOptions extends Omit<OpenOptions, 'mode'> {
  /**
   * Cuts and names chunks as this open store does, so that what is synchronized between the two is neither cut nor compressed again.
   * Both are encrypted, or neither is; who can open one learns which chunks the other has.
   */
  readonly like?: Store
  /** Default `aes-256-gcm`; `none` exactly when `unlock` is plaintext. */
  readonly encryption?: 'aes-256-gcm' | 'chacha20-poly1305'
  /** Bytes; default 256 KiB, 1 MiB, 4 MiB. Databases want smaller. */
  readonly chunker?: { readonly min: number; readonly normal: number; readonly max: number }
  /** What writers compress with by default: `auto` is zstd where the runtime has it, LZ4 elsewhere. */
  readonly codec?: 'auto' | 'zstd' | 'lz4' | 'deflate' | 'none'
  /** Bytes gathered into one frame; default 1 MiB. */
  readonly frame?: number
  /** Bytes of a pack; default 20 MiB. */
  readonly pack?: number
  /** A name for the first key slot. */
  readonly label?: string
  /** Costs of Argon2id; default 64 MiB and 3 passes. The memory is filled in 4 lanes. */
  readonly argon2?: { readonly memoryKiB: number; readonly passes: number }
}

/** Counts over a tree: entries by kind, bytes of content, entries with errors. */
export interface Totals {
  readonly files: number
  readonly directories: number
  readonly others: number
  readonly bytes: number
  readonly errors: number
}

/** One source of a snapshot. */
export interface SnapshotSource {
  readonly type: string
  readonly origin: string
  readonly root: string
  readonly totals: Totals
  /** The folder that holds it in the snapshot's paths: `''` when it is the only source. */
  readonly at: string
}

/** Happens during a backup. */
export type BackupEvent =
  | Notice
  | { readonly type: 'new' | 'changed' | 'unchanged'; readonly path: string; readonly entry: Entry }
  /** Left out, with all that is below it. Of several sources, `path` starts from its own. */
  | {
      readonly type: 'excluded'
      readonly path: string
      readonly kind: Entry['type']
      readonly reason: ExclusionReason
    }
  | ({ readonly type: 'failed' } & FailedEntry)
  | { readonly type: 'stored'; readonly object: string; readonly size: number }

/** What a backup takes. */
export interface BackupOptions extends Run<BackupEvent>, ScanOptions {
  readonly tags?: readonly string[]
  readonly name?: string
  /** Default: the machine's name. */
  readonly host?: string
  readonly user?: string
  /**
   * The snapshot to compare with; default: the latest of the same host and source, which is known by its type, origin and root. `null`:
   * none, everything is read.
   */
  readonly parent?: string | null
  /**
   * Which metadata must be the same for a file not to be read again, besides type, size and mtime: by default both. False for ctimes
   * that change without need, such as of a copy that is made anew each time, and for inode numbers that are not stable, such as those
   * of many network filesystems. Where a file and its last backup have a change token (`Entry.version`), that alone decides.
   */
  readonly compare?: { readonly ctime?: boolean; readonly inode?: boolean }
  /**
   * Makes no snapshot where the latest one of the same host and the same sources holds just what they hold now: all names, contents
   * and metadata that a snapshot keeps, ctimes and inode numbers included. See {@link BackupResult.unchangedSince}.
   */
  readonly skipIfUnchanged?: boolean
  /** Reads, cuts and hashes, and says what would be stored, but stores nothing. */
  readonly dryRun?: boolean
  /** Settings of the sources' connectors by name, for sources that are given as locations. */
  readonly options?: Readonly<Record<string, string | number | boolean>>
  /** Overrides the store's codec for what this backup writes. */
  readonly codec?: 'zstd' | 'lz4' | 'deflate' | 'none'
  /** Overrides the store's pack size for what this backup writes: bytes, from one frame to 128 MiB. */
  readonly packSize?: number
  /**
   * How many threads read, cut, compress and seal, and how many files of a source that is not local are read at once. Default: all threads
   * of the engine, and what the source does well. Fewer spare a disk, or a machine that has other things to do.
   */
  readonly readConcurrency?: number
}

/** What a backup did. */
export interface BackupResult {
  /** Absent after a dry run, and where none was needed. */
  readonly snapshot: Snapshot | undefined
  /** With `skipIfUnchanged`: the earlier snapshot that holds just the same, so that no other one was made. */
  readonly unchangedSince: Snapshot | undefined
  /** Entries that could not be read; in the snapshot they stand with their error. */
  readonly failed: readonly FailedEntry[]
  /** How many, when more than the 10,000 listed. */
  readonly failedCount: number
  /** How many entries the filter left out; of a directory, what is below it is not counted. */
  readonly excluded: number
  readonly totals: Totals
  /** Files by what became of them. */
  readonly changes: { readonly new: number; readonly changed: number; readonly unchanged: number }
  /** What the store gained. */
  readonly added: {
    readonly chunks: number
    /** Bytes of content that the store did not have. */
    readonly bytes: number
    /** Bytes of objects written: packs, index segments, the log entry. */
    readonly stored: number
    /** Bytes of metadata (tree nodes, before compression) that were new. */
    readonly metadata: number
    readonly objects: number
  }
  /** Milliseconds. */
  readonly duration: number
}

/**
 * What to do where the target already has something.
 *
 * - `always`: everything is written again.
 * - `if-changed`: what has another type, size, time, link target or device is written; of a file whose content seems right, mode and owner
 *   are set where they differ. Goes on with an interrupted restore.
 * - `if-different`: as before, but files of the same size are read and compared, whatever their times.
 * - `if-newer`: what is newer in the snapshot is written.
 * - `never`: what is there stays, and directories keep their modes and times.
 */
export type Overwrite = 'always' | 'if-changed' | 'if-different' | 'if-newer' | 'never'

/**
 * Happens during a restore, entry by entry: `restored`; `metadata`, only its mode, owner and times were set; `skipped`, left as it was; or
 * `deleted`.
 */
export type RestoreEvent =
  | Notice
  | { readonly type: 'restored' | 'metadata' | 'skipped' | 'deleted'; readonly path: string }
  | ({ readonly type: 'failed' } & FailedEntry)

/** What a restore takes. */
export interface RestoreOptions extends Run<RestoreEvent> {
  /** Only what is at or below this path of the snapshot; a file, or a directory whose contents go into the target. */
  readonly path?: string
  /**
   * Which entries at or below `path`, as in gitignore(5), relative to it: what matches is left out, and `!` takes; the last pattern that matches
   * decides, and nothing is taken below a directory that is left out. Where the first pattern begins with `!`, what none of them matches is left
   * out as well, but for the directories that lead to what is taken: `['!*.pem']`. One that starts with `/` may be a path as it was when the
   * backup was made.
   */
  readonly patterns?: readonly (string | PatternRule)[]
  /** So many leading segments their paths lose, as `tar --strip-components` does it; what has no more than these is left out. Default 0. */
  readonly stripComponents?: number
  /**
   * Needed where the target is not empty: without it nothing is written there (KLOSET_EXISTS). Default with `delete`: `if-changed`.
   */
  readonly overwrite?: Overwrite
  /**
   * Makes the target equal to the snapshot: what it has and the snapshot has not is deleted, once everything else is restored without a
   * single failure. Left alone are what `patterns` do not take, and mounted file systems of which the snapshot has nothing. Symbolic
   * links are not followed.
   */
  readonly delete?: boolean
  /**
   * Paths of this machine that are neither written over nor deleted, with all that is in them, whatever the snapshot and the policies say. The
   * store itself, its cache and what is remembered of stores (in its usual place) are so without being named. Name what else the run lives on:
   * files with keys, configuration.
   */
  readonly protect?: readonly string[]
  /** Told before anything is written what `delete` will delete; what it throws ends the restore. Not called in a dry run. */
  onDelete?(planned: PlannedDeletions): void | Promise<void>
  /**
   * Afterwards reads back everything that was written or taken for right, and compares it with the snapshot: bytes, types, link targets,
   * and the metadata that the destination keeps. What is not the same is among the failed (KLOSET_RESTORE_DIFFERS). Not in a dry run.
   */
  readonly verify?: boolean
  readonly dryRun?: boolean
  /** Also tell each entry as an event: costs time. */
  readonly entries?: boolean
  /** Settings of the destination's connector by name. */
  readonly options?: Readonly<Record<string, string | number | boolean>>
}

/** What a restore did. */
export interface RestoreResult {
  readonly failed: readonly FailedEntry[]
  readonly failedCount: number
  /** What the destination did not keep, by kind (`owner`, `xattrs:trusted`, …), with how many entries it concerns. */
  readonly leftOut: Readonly<Record<string, number>>
  readonly totals: Totals
  /** Files left as they were, by the overwrite policy. */
  readonly skipped: number
  /** Files whose content was right, and whose mode, owner or times were set; not among the totals. */
  readonly mended: number
  /** Entries that were deleted. */
  readonly deleted: number
  /** What was read back and found right; undefined without `verify`. */
  readonly verified: Pick<Totals, 'files' | 'directories' | 'others' | 'bytes'> | undefined
  readonly duration: number
}

/** What a restore is about to delete. */
export interface PlannedDeletions {
  readonly files: number
  readonly directories: number
  /** Symbolic links, devices and the like. */
  readonly others: number
  /** Bytes of the files. */
  readonly bytes: number
  /** The paths below the target, in path order. */
  readonly paths: readonly string[]
}

/** The formats of {@link Store.archive}. */
export type ArchiveFormatName = 'tar' | 'tar.gz' | 'zip'

/** What {@link Store.archive} takes. */
export interface ArchiveOptions extends Run<RestoreEvent> {
  /** Only what is at or below this path of the snapshot; a file, or a directory whose contents are at the top of the archive. */
  readonly path?: string
  /** Which entries at or below `path`, as of {@link RestoreOptions.patterns}. */
  readonly patterns?: readonly (string | PatternRule)[]
  /** Default `tar`, which keeps most: see {@link Store.archive}. */
  readonly format?: ArchiveFormatName
  /** Also tell each entry as an event: costs time. */
  readonly entries?: boolean
}

/** What is in an archive that was made, and what is not. */
export interface ArchiveResult {
  /** Entries that are not in it, because they cannot be read. */
  readonly failed: readonly FailedEntry[]
  /** How many, when more than the 10,000 listed. */
  readonly failedCount: number
  /** What the format cannot keep, by kind, with how many entries it concerns. */
  readonly leftOut: Readonly<Record<string, number>>
  readonly totals: Totals
  /** Milliseconds. */
  readonly duration: number
}

/** One thing that is wrong with a store, as data. */
export interface Finding {
  readonly level: 'error' | 'warning'
  /** Stable: `frame-corrupt`, `pack-missing`, `chunk-missing`, `tree-corrupt`, …; see docs/errors.md. */
  readonly code: string
  /** The object's name. */
  readonly object: string
  readonly message: string
  /** What a person can do about it. */
  readonly remedy: string
  /** Snapshots and paths that lose data by it, as far as known (at most 1,000). */
  readonly affects?: readonly { readonly snapshot: string; readonly path: string }[]
}

/** What a check takes. */
export interface CheckOptions extends Run<Notice> {
  /** Only what these snapshots need; default: everything. */
  readonly snapshots?: readonly string[]
  /**
   * How much stored data to read: `structure` (default: log, index, trees, and that packs are there with the right size), `all`,
   * or a part: `percent` of all packs, the one that is due in round number `round`, so that 100 ÷ percent rounds read everything.
   */
  readonly read?: 'structure' | 'all' | { readonly percent: number; readonly round: number }
}

/** Which snapshots. All given conditions hold. */
export interface SnapshotFilter {
  readonly tags?: readonly string[]
  readonly host?: string
  readonly name?: string
  /** A source's root. */
  readonly root?: string
  readonly since?: Date
  readonly before?: Date
}

/** Which snapshots are meant, by name and by what they are. */
export interface SnapshotSelection {
  /** Names as {@link Store.snapshot} takes them, each meant among those that meet `where`; default: all that do. */
  readonly snapshots?: readonly string[]
  readonly where?: SnapshotFilter
}

/** An open file of a snapshot. */
export type SnapshotFile = Content & { readonly name: string; readonly entry: Entry }

/** An entry of a snapshot, with the error it was recorded with, if any. */
export type SnapshotEntry = Entry & {
  /** Length of the stored content. */
  readonly contentSize?: number | undefined
  /** Names the stored content: files with one id in one store have the same bytes. */
  readonly contentId?: string | undefined
  /** Lengths of the extended attributes that are too long to be in `xattrs`: a restore reads them. */
  readonly longXattrs?: Readonly<Record<string, number>> | undefined
  readonly error?: { readonly code: string; readonly message: string } | undefined
}

/** What {@link Snapshot.diff} takes. */
export interface DiffOptions {
  /** Only what is at and below this path; default: everything. */
  readonly path?: string
  /** The path in the other snapshot that it is compared with; default: the same. */
  readonly otherPath?: string
  /**
   * Tells a file that was removed, and added elsewhere with the same content, as `renamed`. Default: no; it reads what differs twice, and
   * holds what was removed in memory.
   */
  readonly renames?: boolean
}

/** One difference between two snapshots. */
export interface Difference {
  /** `metadata`: what is in it is the same. `renamed`: a file that was removed elsewhere, see {@link DiffOptions.renames}. */
  readonly change: 'added' | 'removed' | 'changed' | 'metadata' | 'renamed'
  /** Below the paths that are compared, and `''` for what is there itself; of a renamed file the new one. */
  readonly path: string
  /** The fields that differ, where it is on both sides; `content` for the bytes of a file. */
  readonly differs: readonly (Exclude<keyof Entry, 'path' | 'ref' | 'size'> | 'content' | 'error')[]
  readonly before: SnapshotEntry | undefined
  readonly after: SnapshotEntry | undefined
}

/** Which entries a search is for. All that is given must hold; of several names or types, one. */
export interface EntryFilter {
  /**
   * Patterns as shells have them: `*` and `?` for what is in one name, `**` for any number of folders, `[a-z]`, `{one,other}`, and `\`
   * before what is meant as it is. One without a slash is for the last name of a path; one with slashes for the last names; one that
   * begins with a slash for the whole path, as it was when the backup was made. A slash at the end: only directories.
   */
  readonly names?: readonly string[]
  /** Whether names are the same in upper and lower case. Default: no. */
  readonly ignoreCase?: boolean
  readonly types?: readonly Entry['type'][]
  /** Only files, of at least and at most so many bytes. */
  readonly size?: { readonly min?: number; readonly max?: number }
  /** Changed at this time or later, and before this time. */
  readonly modified?: { readonly since?: Date; readonly before?: Date }
}

/** What {@link Store.find} and {@link Store.versions} take. */
export interface FindOptions extends EntryFilter, SnapshotSelection {
  readonly signal?: AbortSignal | undefined
  /**
   * Is told of entries that cannot be read, by the path of the last of them, and the search goes on: where several snapshots share them, at
   * least once. Absent: the search fails.
   */
  onLost?(lost: { readonly snapshot: Snapshot; readonly path: string; readonly error: unknown }): void
}

/** An entry that was found. */
export interface FoundEntry {
  readonly snapshot: Snapshot
  readonly entry: SnapshotEntry
}

/** A content that an entry of a source has, or had: the bytes of a file, the target of a symlink. */
export interface FileVersion {
  readonly source: Pick<SnapshotSource, 'type' | 'origin' | 'root'>
  /** As it is in the first of the snapshots; in others its metadata may be different. */
  readonly entry: SnapshotEntry
  /** The snapshots that have it, oldest first. */
  readonly snapshots: readonly Snapshot[]
}

/** A snapshot: what its sources held at one time. Reading it verifies every id. */
export interface Snapshot {
  /** 32 hexadecimal digits; any unambiguous prefix names it. */
  readonly id: string
  readonly time: Date
  /** Milliseconds the backup took. */
  readonly duration: number
  readonly host: string
  readonly user: string
  readonly name: string | undefined
  readonly tags: readonly string[]
  readonly parent: string | undefined
  readonly tool: string
  /** Settings of its backup that tell what it holds and how that was found, where they were not the usual ones; see docs/format.md. */
  readonly options: Readonly<Record<string, unknown>>
  readonly sources: readonly SnapshotSource[]
  readonly totals: Totals
  /** What its backup added to the store: new chunks, their bytes, bytes stored. */
  readonly written: { readonly blobs: number; readonly bytes: number; readonly stored: number }
  /** @throws KLOSET_PATH_NOT_FOUND */
  stat(path: string): Promise<SnapshotEntry>
  /** What a directory holds, in path order. */
  list(path: string): AsyncIterable<SnapshotEntry>
  /** Everything at and below a path (default: all), in path order. */
  walk(path?: string): AsyncIterable<SnapshotEntry>
  /**
   * What is different in `other`, taken as the later one, in path order. What the two share is not read.
   * @throws KLOSET_PATH_NOT_FOUND where neither has the path; TypeError for a snapshot of another store
   */
  diff(other: Snapshot, options?: DiffOptions): AsyncIterable<Difference>
  /** Opens a file, by its path or as an entry of this snapshot, which need not be looked up again. @throws KLOSET_PATH_NOT_FOUND */
  open(file: string | SnapshotEntry): Promise<SnapshotFile>
  /**
   * The value of an extended attribute, also of one that is too long to be in an entry's `xattrs`; undefined where there is none of that name.
   * @throws KLOSET_PATH_NOT_FOUND
   */
  xattr(path: string, name: string): Promise<Uint8Array | undefined>
  /** Counts of everything at and below a path, in a few reads. */
  totalsOf(path: string): Promise<Totals>
}

/** What a store is. */
export interface StoreInfo {
  readonly id: string
  /** The same for stores of which one was created like the other: they cut and name chunks alike. */
  readonly family: string
  readonly location: string
  readonly created: Date
  readonly version: number
  readonly encryption: 'aes-256-gcm' | 'chacha20-poly1305' | 'none'
  readonly chunker: { readonly min: number; readonly normal: number; readonly max: number }
  readonly codec: string
  readonly frame: number
  readonly pack: number
  readonly snapshots: number
  /** Position of the newest log entry. */
  readonly head: number
  readonly segments: number
  readonly packs: number
  readonly chunks: number
  /** Bytes of all packs. */
  readonly stored: number
  /** What is in all snapshots, file by file; see {@link Store.stats} for how little of it is different. */
  readonly totals: Totals
  /** The times of the oldest and the newest snapshot; undefined where there is none. */
  readonly oldest: Date | undefined
  readonly newest: Date | undefined
  /** Bytes used and free where the store is, by whatever it is, as far as that can be told: of a folder, those of its file system. */
  readonly space: { readonly used?: number | undefined; readonly free?: number | undefined }
  readonly keys: readonly {
    readonly id: string
    readonly kind: 'passphrase' | 'raw'
    readonly label: string
    readonly created: Date
  }[]
}

/** What {@link Store.stats} takes. */
export interface StatsOptions extends Run<Notice>, SnapshotSelection {}

/** A number of chunks or tree nodes, each counted once. */
export interface BlobStats {
  readonly count: number
  /** Bytes before compression. */
  readonly bytes: number
  /** Bytes in packs: the share that they have of the frames they are in, rounded. */
  readonly stored: number
}

/** What is one snapshot's alone: of what no other snapshot of the store needs. Forgetting it, and pruning, would free no more. */
export interface SnapshotStats {
  readonly snapshot: Snapshot
  /** Chunks of files. */
  readonly data: BlobStats
  /** Nodes of trees. */
  readonly metadata: BlobStats
}

/** How much snapshots hold, and what they take in the store. */
export interface StoreStats {
  /** The snapshots that were asked for, oldest first. */
  readonly snapshots: readonly SnapshotStats[]
  /** What is in all of them, file by file: restored one beside the other, they would take so much. */
  readonly totals: Totals
  /** What they need together: chunks of files, and nodes of trees. */
  readonly data: BlobStats
  readonly metadata: BlobStats
  /** Chunks and nodes they need that no pack has: check tells which files are concerned. */
  readonly missing: number
  /** Of the whole store, where all of its snapshots were asked for. */
  readonly store:
    | {
        readonly packs: PackCount
        readonly index: { readonly segments: number; readonly bytes: number }
        /** Bytes in packs that no snapshot needs, or that are there twice. A prune frees those of whole packs. */
        readonly unneeded: number
      }
    | undefined
}

/** What {@link Store.forget} and {@link Store.undelete} take. */
export interface ForgetOptions {
  readonly dryRun?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What to change about the tags of snapshots: first `set`, then `remove`, then `add`. */
export interface TagEdit {
  /** These in place of all they have. */
  readonly set?: readonly string[]
  readonly remove?: readonly string[]
  readonly add?: readonly string[]
}

/** What to change about snapshots; what is absent stays. A tag has no comma and at most 128 bytes, a name at most 256; see {@link faultOfTag}. */
export interface SnapshotEdit {
  /** What they are called; `null`: nothing any more. */
  readonly name?: string | null
  readonly tags?: TagEdit
}

/** What {@link Store.edit} takes. */
export interface EditOptions {
  /** Says what would change, and changes nothing. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What an edit did, or in a dry run would do. Snapshots that somebody forgot meanwhile are in neither list. */
export interface EditResult {
  /** The snapshots that are not as they were, oldest first. */
  readonly edited: readonly { readonly before: Snapshot; readonly after: Snapshot }[]
  /** Those that were like that already. */
  readonly unchanged: readonly Snapshot[]
}

/** What a prune takes. */
export interface PruneOptions extends Run<Notice> {
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean
  /**
   * Milliseconds between condemning a pack and deleting it, default 24 hours: until then a snapshot can be undeleted, and who reads it
   * goes on undisturbed. 0 deletes at once.
   */
  readonly delay?: number
  /** Milliseconds that a pack no log entry names is left alone, default 7 days: a backup that stored it may still be running. */
  readonly grace?: number
}

/** A number of packs and their bytes. */
export interface PackCount {
  readonly packs: number
  readonly bytes: number
}

/** What a prune did, or in a dry run would do. */
export interface PruneResult {
  /** Deleted: condemned for long enough. */
  readonly purged: PackCount
  /** Newly condemned: no snapshot needs them. */
  readonly condemned: PackCount
  /** Condemned, and not deleted yet; `until`: when the first of them can be. */
  readonly waiting: PackCount & { readonly until: Date | undefined }
  /** Left by interrupted backups, or of backups that are still running: not named by the log, and left alone for now. */
  readonly suspects: PackCount
  /** Snapshots need something in them. */
  readonly kept: PackCount
  /** Bytes in kept packs that no snapshot needs: repacking would free them. */
  readonly unused: number
  /** Index segments that were removed. */
  readonly segments: number
  readonly duration: number
}

/** Happens while stores are synchronized. */
export type SyncEvent = Notice | { readonly type: 'synchronized' | 'skipped'; readonly snapshot: Snapshot }

/** A snapshot and which stores have it: see {@link copiesOf}. */
export interface SnapshotCopies {
  /** As the first of the stores shows it that has it, or else of those where it was forgotten. */
  readonly snapshot: Snapshot
  /** Whether each of the stores has it, in their order. */
  readonly places: readonly ('present' | 'forgotten' | 'absent')[]
}

/** What {@link Store.syncTo} takes. */
export interface SyncOptions extends Run<SyncEvent>, SnapshotSelection {
  /** Also sends snapshots that were forgotten in the other store, and so brings them back. */
  readonly includeForgotten?: boolean
  readonly dryRun?: boolean
}

/** What a synchronization did, or in a dry run would do. */
export interface SyncResult {
  /** Snapshots that the other store has now and had not before, oldest first. */
  readonly synchronized: readonly Snapshot[]
  /** How many of those asked for it had already. */
  readonly present: number
  /** How many of those asked for were forgotten there, and were therefore left out. */
  readonly forgotten: number
  /**
   * Snapshots that were left out, because some of their entries cannot be read here: `failed` says which. A copy without them would
   * be taken for the whole snapshot for ever; once this store was healed, they are synchronized like any other.
   */
  readonly incomplete: readonly Snapshot[]
  readonly failed: readonly FailedEntry[]
  /** How many, when more than the 10,000 listed. */
  readonly failedCount: number
  /** Whether content was cut anew, because the stores cut differently. */
  readonly rechunked: boolean
  /** Bytes read from this store's storage. In a dry run a guess, of packs only. */
  readonly read: number
  /** Bytes written to the other. In a dry run a guess. */
  readonly sent: number
  /** Bytes of the snapshots' content that did not have to be stored, because the other store has them or they are holes. */
  readonly deduplicated: number
  readonly duration: number
}

/** Happens while another program's snapshots are imported. */
export type ImportEvent =
  | Notice
  /** `number` of `count` that are imported. */
  | { readonly type: 'importing'; readonly original: PastSnapshot; readonly number: number; readonly count: number }
  | { readonly type: 'imported'; readonly original: PastSnapshot; readonly snapshot: Snapshot }
  | { readonly type: 'skipped'; readonly original: PastSnapshot }
  /** `original`: of which snapshot; absent for one of which nothing can be read, whose object `path` is. */
  | ({ readonly type: 'failed'; readonly original?: PastSnapshot } & FailedEntry)

/** What {@link Store.importFrom} takes. */
export interface ImportOptions extends Run<ImportEvent> {
  /** Of those that `where` leaves: unambiguous prefixes of their ids there, `latest`, or `latest~N`. Default: all. */
  readonly snapshots?: readonly string[]
  /** Which. A `name` is none of theirs: no snapshot has it. */
  readonly where?: SnapshotFilter
  /** Also imports anew what was imported and then forgotten here. */
  readonly includeForgotten?: boolean
  /** Says which would be imported, and reads nothing of what is in them. */
  readonly dryRun?: boolean
  /** Overrides the store's codec for what this import writes. */
  readonly codec?: BackupOptions['codec']
}

/** What an import did, or in a dry run would do. */
export interface ImportResult {
  /** What is new here, oldest first, and what it was made from. In a dry run there are no snapshots. */
  readonly imported: readonly { readonly original: PastSnapshot; readonly snapshot: Snapshot | undefined }[]
  /** How many of those asked for had been imported before. */
  readonly present: number
  /** How many of those asked for had been imported and then forgotten, and were therefore left out. */
  readonly forgotten: number
  /** Snapshots of which nothing can be read, with the names of their objects or their ids. */
  readonly unreadable: readonly FailedEntry[]
  /** Entries that could not be read; in the snapshots they stand with their error. */
  readonly failed: readonly FailedEntry[]
  /** How many, when more than the 10,000 listed. */
  readonly failedCount: number
  /** Files of all the snapshots by what became of them: those that are unchanged since the one before were not read. */
  readonly changes: BackupResult['changes']
  /** What the store gained. */
  readonly added: BackupResult['added']
  /** Milliseconds. */
  readonly duration: number
}

/** Requests to the storage since the store was opened, failed ones and those made again included. */
export interface Requests {
  readonly put: number
  readonly get: number
  readonly stat: number
  readonly list: number
  readonly remove: number
  readonly usage: number
  /** Bytes of the bodies of puts. */
  readonly uploaded: number
  /** Bytes of objects that were read. */
  readonly downloaded: number
}

/** An open store. */
export interface Store extends AsyncDisposable {
  readonly id: string
  readonly location: string
  /** Backs up one source or several into one new snapshot. A string is a location. */
  backup(from: string | Source | readonly (string | Source)[], options?: BackupOptions): Promise<BackupResult>
  restore(snapshot: string | Snapshot, to: string | Destination, options?: RestoreOptions): Promise<RestoreResult>
  /**
   * An archive of a snapshot, as bytes that are made while they are taken, and as the value returned, what is in it:
   * `new Response(ReadableStream.from(store.archive(id, { format: 'zip' })))` is a download.
   *
   * `tar` (pax) keeps names of any bytes, times to the nanosecond, owners, modes, links, devices, extended attributes and access lists;
   * sockets are left out, and holes are zeros. `zip` keeps names, modes, symlinks, owners by number and times to the second. An entry that
   * cannot be read is left out and reported; every byte is verified before it is given.
   * @throws KLOSET_PATH_NOT_FOUND; KLOSET_PACK_CORRUPT, KLOSET_CHUNK_MISSING, KLOSET_TREE_CORRUPT where damage shows in the middle of a large
   * file that was begun: what was given so far is no whole archive
   */
  archive(snapshot: string | Snapshot, options?: ArchiveOptions): AsyncGenerator<Bytes, ArchiveResult, undefined>
  /** Verifies the store and yields what is wrong with it. */
  check(options?: CheckOptions): AsyncIterable<Finding>
  /** The snapshots, oldest first. */
  snapshots(where?: SnapshotFilter): AsyncIterable<Snapshot>
  /**
   * One snapshot among those that meet `where` (default: all): by an unambiguous prefix of its id, by what it is called where no other is
   * called so, as `latest`, or as `latest~N`, the one N before.
   * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS
   */
  snapshot(name: string, where?: SnapshotFilter): Promise<Snapshot>
  /**
   * The snapshots that are meant, each once, oldest first.
   * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS for a name
   */
  select(selection?: SnapshotSelection): Promise<readonly Snapshot[]>
  /**
   * Searches snapshots for entries, oldest snapshot first, and each in path order. What snapshots share is searched once.
   * @throws TypeError, RangeError for a filter that is none; KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_AMBIGUOUS
   */
  find(options?: FindOptions): AsyncIterable<FoundEntry>
  /**
   * Searches snapshots for entries, and gives each content they had once, with the snapshots that have it: when a file changed, and which
   * versions there are. In the order of sources and paths, and of each path the oldest first. Throws as {@link Store.find}.
   */
  versions(options?: FindOptions): AsyncIterable<FileVersion>
  /** Says how much snapshots hold, and what they take in the store. It reads trees and the index, never content. */
  stats(options?: StatsOptions): Promise<StoreStats>
  info(): Promise<StoreInfo>
  /**
   * Forgets snapshots, named as {@link Store.snapshot} takes them: they are no longer listed, and prune deletes what only they need. Until
   * then {@link Store.undelete} brings them back. Resolves to what was forgotten.
   */
  forget(snapshots: readonly string[], options?: ForgetOptions): Promise<readonly Snapshot[]>
  /**
   * Brings forgotten snapshots back, named by unambiguous prefixes of their ids.
   * @throws KLOSET_SNAPSHOT_NOT_FOUND, KLOSET_SNAPSHOT_PRUNED where something they need was deleted
   */
  undelete(snapshots: readonly string[], options?: ForgetOptions): Promise<readonly Snapshot[]>
  /**
   * Changes what snapshots are called and tagged, named as {@link Store.snapshot} takes them. Nothing that is stored is written anew: an
   * entry of the log says so. Several may do so at once, and none undoes what another did. A {@link Snapshot} that was asked for before stays
   * as it was, and so does a copy in another store.
   * @throws RangeError for tags and names that no snapshot can have; KLOSET_LIMIT for more than 100 tags
   */
  edit(snapshots: readonly string[], change: SnapshotEdit, options?: EditOptions): Promise<EditResult>
  /** The snapshots that were forgotten, oldest first. */
  forgotten(): AsyncIterable<Snapshot>
  /** Deletes packs that no snapshot needs, in two steps: first they are condemned, later deleted. Others may work meanwhile. */
  prune(options?: PruneOptions): Promise<PruneResult>
  /**
   * Copies snapshots into another open store, oldest first, each with its id, so that it is recognised there. What that store has is not
   * sent again. Interrupted at any moment it leaves whole snapshots, and the next one goes on from there.
   */
  syncTo(peer: Store, options?: SyncOptions): Promise<SyncResult>
  /**
   * Brings the snapshots of another program over, oldest first, each with its time, host, user and tags: the history is kept, and the next backup
   * of the same folder on the same host goes on from there. What was imported before is left out. Interrupted at any moment it leaves whole snapshots, and
   * the next import goes on from there. An entry that is damaged there stands in its snapshot with its error.
   * @throws what keeps the other repository from being read, such as KLOSET_OFFLINE
   */
  importFrom(history: History, options?: ImportOptions): Promise<ImportResult>
  /** What was asked of the storage so far. */
  readonly requests: Requests
  close(): Promise<void>
}
