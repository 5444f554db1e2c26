import type { Bytes } from '../bytes/index.js'

export type { Bytes } from '../bytes/index.js'

/** Items in groups of 1 to 1,000. Pulling is the backpressure; `return()` is the cleanup. */
export type Batches<T> = AsyncIterable<readonly T[]>

/** What every call gets: a signal that is always there. An aborted call throws `signal.reason`. */
export interface Call {
  readonly signal: AbortSignal
}

/** A part of an object or file, in bytes. */
export interface Range {
  readonly offset: number
  readonly length: number
}

/** What is in a file. Rewindable: every call starts again at the beginning, so a write can be tried again. */
export interface Content extends AsyncIterable<Bytes> {
  /** Length in bytes. */
  readonly size: number
  /** The whole content; for small files the cheapest way. */
  bytes(): Promise<Bytes>
  /** The whole content as UTF-8 text. */
  text(): Promise<string>
  /** The content, or its bytes from `start` (included) to `end` (excluded), as a web stream. */
  stream(range?: { readonly start?: number; readonly end?: number }): ReadableStream<Bytes>
}

/** One setting of a connector, as plain data: feeds help, prompts, validation and redaction. */
export interface Option {
  readonly type: 'string' | 'integer' | 'boolean'
  readonly describe: string
  /** Never shown, logged or put into an error. */
  readonly secret?: boolean
  readonly required?: boolean
  /** The environment variable it is taken from when not given. */
  readonly env?: string
  readonly default?: string | number | boolean
  readonly oneOf?: readonly string[]
}

/** The settings of a connector by name. */
export type OptionSchema = Readonly<Record<string, Option>>

type ValueOf<O extends Option> = O['type'] extends 'integer' ? number : O['type'] extends 'boolean' ? boolean : string
type Given<O extends Option> = O extends { required: true } | { default: string | number | boolean }
  ? ValueOf<O>
  : ValueOf<O> | undefined

/** The values of the settings `O` describes: an optional one without a default may be undefined. */
export type Options<O extends OptionSchema> = { readonly [K in keyof O]: Given<O[K]> }

/** Where something is: a URL or a plain path, parsed once. A password in a URL moves to the options. */
export interface Location {
  /** Without the colon. A plain path has `fs`. */
  readonly protocol: string
  readonly host: string
  readonly port: number | undefined
  readonly user: string | undefined
  /** Decoded; a plain path as it was given. */
  readonly path: string
  readonly query: URLSearchParams
  /** Safe to show: without secrets. */
  toString(): string
}

/** What a connector's factory gets besides the location. */
export interface Context<O extends OptionSchema = OptionSchema> extends Call {
  readonly options: Options<O>
  /** Only `create` makes a bucket or folder. */
  readonly mode: 'read' | 'write' | 'create'
  log(level: 'debug' | 'info' | 'warn', message: string): void
  /** Asks a person. Absent when nobody is there: refuse instead of assuming. */
  ask?(question: {
    readonly kind: 'confirm' | 'secret' | 'visit'
    readonly message: string
    readonly url?: string
  }): Promise<string | boolean>
  /** A small private memory per location, for probes, tokens and host keys. */
  readonly memory: { get(key: string): Promise<string | undefined>; set(key: string, value: string): Promise<void> }
}

/** An integration: any of three roles for the locations of its protocols. */
export interface Connector<O extends OptionSchema = OptionSchema> {
  /** The version of this contract it was written for; also in its package.json, so that an unknown one is refused unloaded. */
  readonly contract: 1
  readonly name: string
  readonly protocols: readonly string[]
  readonly options: O
  /**
   * @throws what `placeAbsent` makes where the folder or bucket of the store itself is not there, which is reported as the absence of a store;
   * any other error, also KLOSET_NOT_FOUND, is reported as it is
   */
  storage?(at: Location, context: Context<O>): Promise<Storage>
  source?(at: Location, context: Context<O>): Promise<Source>
  destination?(at: Location, context: Context<O>): Promise<Destination>
}

/** What a storage can do. */
export interface StorageCapabilities {
  readonly write: boolean
  /** False for plain HTTP. */
  readonly list: boolean
  /** Of racing puts of one name exactly one is `stored`. Where false, `ifAbsent` is never passed. */
  readonly putIfAbsent: boolean
  /** How many calls it serves well at once. */
  readonly concurrency: number
  /** It asks {@link Paced} as it sends and receives. Absent: a limited bandwidth is kept between calls, and each body goes at full speed. */
  readonly paces?: boolean | undefined
}

/** How fast a body may go over the line. */
export interface Paced {
  /**
   * Resolves when so many more bytes may pass, in a storage that says it `paces`: asked before each piece of a body, of at most 256 KiB,
   * is sent, and before the next one is received. Absent: there is no limit. Rejects with the signal's reason.
   */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined
}

/** Where what is read may be put. */
export interface Lent {
  /**
   * Memory that the answer may take, from its beginning, where it has room for it: then nothing has to be allocated, and no page has to be
   * cleared, for something that is soon forgotten. It is the storage's until the promise is settled, and nothing writes to it any more after
   * that, however it ended. A storage need not use it.
   */
  readonly memory?: ArrayBufferLike | undefined
}

/** An object and its size in bytes. */
export interface StoredObject {
  readonly name: string
  readonly size: number
}

/**
 * A namespace of write-once objects. Names are lower-case ASCII (`a-z 0-9 / . _ -`), at most 128 characters, with no empty,
 * `.` or `..` segment, and no name goes on where another one ends (`a` and `a/b`); bodies are at most 256 MiB. An implementation never retries: it throws, and the engine tries again.
 */
export interface Storage {
  /** Where it is, safe to show. */
  readonly location: string
  /** Where its objects are on this machine, as paths of the system: a restore leaves alone what is there. Absent: they are elsewhere. */
  readonly paths?: readonly string[] | undefined
  readonly capabilities: StorageCapabilities
  /**
   * Stores `body` durably, all or nothing: when it resolves, the object survives a power cut, and at no time does a reader
   * see a part of it. With `ifAbsent`, an object that is already there stays as it is and the answer is `exists`; without,
   * storing the same name again replaces it whole. `tier` tells how soon the object will be read. Once the promise is settled,
   * the memory of `body` serves the engine for something else: keep a copy, not the array.
   */
  put(
    name: string,
    body: Bytes,
    how: Call & Paced & { readonly ifAbsent: boolean; readonly tier: 'hot' | 'cold' },
  ): Promise<'stored' | 'exists'>
  /**
   * The object, or exactly the range of it.
   * @throws KLOSET_NOT_FOUND where there is none, and where the range reaches beyond its end.
   */
  get(name: string, how: Call & Paced & Lent & { readonly range: Range | undefined }): Promise<Uint8Array>
  stat(name: string, how: Call): Promise<{ readonly size: number } | undefined>
  /** The objects whose names start with `prefix` and are greater than `after`, ascending. */
  list(prefix: string, how: Call & { readonly after: string | undefined }): Batches<StoredObject>
  /** Removes objects; one that is absent is fine. */
  remove(names: readonly string[], how: Call): Promise<void>
  /**
   * A little room that the place sets aside, where it can be full: bytes and files enough for the few small objects that forgetting and pruning
   * store before they make room. The objects of a store never show it.
   */
  readonly reserve?: {
    /** Sets it aside, as far as it is not there already and there is room for it. @throws KLOSET_FULL where there was not enough */
    keep(how: Call): Promise<void>
    /** Gives it up; answers whether that made any room. */
    release(how: Call): Promise<boolean>
  }
  /** Bytes used and free at the place, where it can tell. */
  usage?(how: Call): Promise<{ readonly used?: number | undefined; readonly free?: number | undefined }>
  close(): Promise<void>
}

/** What an {@link Entry} is. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'block' | 'character'

/** One thing of a source. Only `path` and `type` are required; times are nanoseconds since 1970. */
export interface Entry {
  /**
   * Relative and `/`-separated; `''` is the root. No segment is empty, `.` or `..`; no NUL. A byte that is not part of valid
   * UTF-8 is one code unit U+DC80–U+DCFF (as in Python's surrogateescape), see `pathFromBytes`.
   */
  readonly path: string
  readonly type: EntryType
  /** Bytes. Absent where it is known only when read (dumps, files that a system makes up). */
  readonly size?: number | undefined
  /** An opaque change token (etag, last-edited). When both sides have one, it alone decides whether the content changed. */
  readonly version?: string | undefined
  readonly mtime?: bigint | undefined
  readonly ctime?: bigint | undefined
  readonly birthtime?: bigint | undefined
  /** Permission bits with setuid, setgid and sticky: 0o7777 at most. */
  readonly mode?: number | undefined
  readonly owner?:
    | {
        readonly uid?: number | undefined
        readonly gid?: number | undefined
        readonly user?: string | undefined
        readonly group?: string | undefined
      }
    | undefined
  /**
   * Finds hard links (device, number) and changes (number). A device that is not needed to tell hard links apart is best 0: numbers of
   * devices change when a system starts anew, and whatever changes is stored again.
   */
  readonly inode?: { readonly device: bigint; readonly number: bigint; readonly links: number } | undefined
  /** Where a symlink points, with the same escapes as `path`. */
  readonly target?: string | undefined
  readonly device?: { readonly major: number; readonly minor: number } | undefined
  readonly xattrs?: Readonly<Record<string, Uint8Array>> | undefined
  /** Namespaced and stored: `s3.content-type`, `notion.id`. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** The source's own handle for `read()`; never stored. */
  readonly ref?: string | undefined
}

/** One entry that could not be scanned. */
export interface Failure {
  readonly path: string
  readonly error: unknown
}

/**
 * Which entries a scan takes: asked for each entry before it is read or descended into. Asking whether it takes paths is all that a source
 * has to do; one that can tells it more (see {@link Inspector}).
 */
export interface Filter {
  /**
   * Whether to take the entry at `path`; a directory not taken is not descended into. `named`: a person named this very entry, or
   * something below it, so it is taken whatever the rules say; a source that is given a list of paths says so of those.
   */
  takes(path: string, type: EntryType, named?: boolean): boolean
  /** Present where the rules need more than paths and types. The engine reads it only for sources whose `capabilities.inspects` is true. */
  readonly inspector?: Inspector | undefined
}

/**
 * What a filter decides by sizes, devices and what directories hold. A source that `inspects` asks it about each entry that the filter takes,
 * also about its root, and shows it each directory before it asks about anything in there.
 */
export interface Inspector {
  /**
   * Whether to take an entry that the filter takes, now that its metadata is known; `alone`: a directory, without what it holds. `named` as
   * for {@link Filter.takes}; the root of a source always is.
   */
  takes(entry: Entry, named?: boolean): boolean | 'alone'
  /** Which files among `names`, all that is in `directory`, it has to see. */
  wants(directory: string, names: readonly string[]): readonly WantedFile[]
  /**
   * Shows the beginning of a wanted file: as many bytes as were asked for, fewer only where it is shorter; undefined where it is no regular
   * file (a symbolic link is none) or cannot be read.
   */
  show(directory: string, name: string, beginning: Uint8Array | undefined): void
}

/** A file that an {@link Inspector} has to see, and how many of its first bytes. */
export interface WantedFile {
  readonly name: string
  readonly length: number
}

/** Where a backup comes from. Throwing from `scan` fails the backup; yielding a {@link Failure} reports one entry. */
export interface Source {
  /** The kind of source: `fs`, `s3`, `notion`; that of listed paths ends in `-list`. */
  readonly type: string
  /** Whose data it is: a host name, a bucket, a workspace. */
  readonly origin: string
  /** What of it: the folder, the prefix. */
  readonly root: string
  /** Where the root really is, if links lead there: patterns that are absolute paths may start with either. */
  readonly realRoot?: string | undefined
  readonly capabilities: {
    /** `path`: the scan yields in path order (see `comparePaths`). `any`: the engine sorts. */
    readonly order: 'path' | 'any'
    /** `in-order` (tar, stdin): each file is read once, before the scan is pulled again. */
    readonly access: 'random' | 'in-order'
    /** True for dumps: one failed entry fails the backup. */
    readonly atomic: boolean
    /** It is known to have few entries, some hundred at most: they are scanned sooner than a thread is started. */
    readonly few?: boolean
    readonly ranges: boolean
    /** The resolution of its times, in nanoseconds: two changes within it look the same. */
    readonly timeGrain: bigint
    /**
     * Its scan asks `filter.inspector`, where there is one. Absent: the engine asks it about sizes for the source, and says that other rules
     * had no effect.
     */
    readonly inspects?: boolean
    readonly concurrency: number
  }
  readonly worker?: WorkerModule | undefined
  /** Everything below `under` (`''`: all), directories before what they hold. Directories may be left out. */
  scan(how: Call & { readonly filter: Filter; readonly under: string }): Batches<Entry | Failure>
  /** The content of a file, or a range of it. `random` access: the same bytes each time, also after a failure. */
  read(entry: Entry, how: Call & { readonly range: Range | undefined }): AsyncIterable<Uint8Array>
  /** A point in the source's change feed, asked before scanning and kept in the snapshot. */
  cursor?(how: Call): Promise<string>
  /** What changed since a cursor. @throws KLOSET_CURSOR_EXPIRED: the engine scans everything. */
  changes?(since: string, how: Call & { readonly filter: Filter }): Batches<Entry | Failure | { readonly gone: string }>
  /** Told when the backup was committed, or was not: release what was held for it. */
  settled?(outcome: { readonly snapshot: string | undefined }): Promise<void>
  /**
   * Told before the scan which folders of this machine are no part of what is backed up: the store that is written to, the cache. Those are
   * left out with all that is in them, under whatever name they are reached, unless what is backed up is in one of them, or a person named it.
   * Answers those of the given folders whose paths are in the source. It may be told several times; the last time counts.
   */
  leaveOut?(folders: readonly string[]): readonly string[]
  /** What a backup from here lacks, and why, as sentences for a person. Told once a backup. */
  readonly lacks?: readonly string[] | undefined
  close(): Promise<void>
}

/** A snapshot that another program made, as its repository tells of it. */
export interface PastSnapshot {
  /** Its id there, hexadecimal digits. */
  readonly id: string
  /** Names everything that is in it: two of one time and content are one snapshot, also where its id changed with its tags. */
  readonly content: string
  readonly time: Date
  readonly host: string
  readonly user: string
  readonly tags: readonly string[]
  /** Name and version of the program that made it. */
  readonly tool: string
  /** The folders that were saved, as they were named then. */
  readonly roots: readonly string[]
}

/** The snapshots of another program, of which each can be read as sources. Reading them changes nothing there. */
export interface History {
  /** Which program's: `restic`. */
  readonly type: string
  /** Where it is, safe to show. */
  readonly location: string
  /** All snapshots, in any order; instead of one that cannot be read, a failure with the name of its object. */
  snapshots(how: Call): Batches<PastSnapshot | Failure>
  /**
   * What is in a snapshot: a source for each of its folders, named (`type`, `origin`, `root`) as a backup of that folder on that host names it, so that the
   * next backup goes on from there. The `version` of each file tells its content.
   * @throws KlosetError where nothing of the snapshot can be read
   */
  open(snapshot: PastSnapshot, how: Call): Promise<readonly Source[]>
  close(): Promise<void>
}

/** What a destination can keep of an entry. `special` are FIFOs and sockets, `devices` block and character devices. */
export type Kept =
  | 'directories'
  | 'symlinks'
  | 'special'
  | 'devices'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'birthtime'
  | 'xattrs'
  | 'holes'
  | `attributes:${string}`

/** What was left out of an entry: a whole kind of thing, or a part of it such as `mode:setuid` or `xattrs:trusted`. */
export type LeftOut = Kept | `mode:${string}` | `xattrs:${string}`

/** What a destination's calls that make something get. */
export interface Making extends Call {
  /**
   * To be told what could not be kept of the entry at hand, though others may keep theirs: an owner that only root may give, an
   * attribute that the file system refuses. At most once for a kind and entry. The entry counts as restored, and what was left out of
   * all of them is reported by kind, with a count.
   */
  leftOut?(kind: LeftOut): void
}

/** Where a restore goes. Every method stays inside its root, whatever an entry's path says. */
export interface Destination {
  readonly capabilities: {
    /** The rest is reported as left out. */
    readonly keeps: readonly Kept[]
    /** Of what does not keep owners: whether what is made has this one anyway, as a user's own files have. */
    givesOwner?(owner: NonNullable<Entry['owner']>): boolean
    /** `path`: wants entries in path order. A directory always precedes what it holds. */
    readonly order: 'path' | 'any'
    readonly concurrency: number
    readonly names: {
      readonly caseSensitive: boolean
      readonly maxBytes?: number | undefined
      accepts?(segment: string): boolean
    }
  }
  readonly worker?: WorkerModule | undefined
  /**
   * What is there now, for overwrite policies, comparison and deletions. The device of a directory is that of the one above it, unless another
   * file system is mounted there: such directories are borders for deletions.
   */
  readonly current?: Source | undefined
  /**
   * Told once, before anything is written, which paths of this machine the run needs itself: the store, the cache, files with keys. From
   * then on nothing at or below them is written, changed or removed, under whatever name it can be reached (KLOSET_PROTECTED). Answers which
   * paths of the destination these are; `''` where all of it is in something that is protected.
   */
  protect?(paths: readonly string[]): Promise<readonly string[]>
  /** Makes everything that has no content: directories, symlinks, devices. A directory that exists stays. */
  create(entry: Entry, how: Making): Promise<void>
  /** Writes a file, atomically: whoever looks sees the old file or the new one. */
  write(entry: Entry, content: Content, how: Making): Promise<void>
  /** Makes `path` a hard link to `to`, which this run made and which is no directory. Where that cannot be, it throws, and the entry is made. */
  link?(path: string, to: string, how: Call): Promise<void>
  /** Sets owner, mode, extended attributes and times: of a directory after its children are done, or of a file whose content is right already. */
  finish?(entry: Entry, how: Making): Promise<void>
  /**
   * Removes files, links, devices and empty directories, in this order; what is absent is fine, and links are not followed.
   * @throws KLOSET_EXISTS for a directory that is not empty: nothing goes that was not named.
   */
  remove?(paths: readonly string[], how: Call): Promise<void>
  rename?(from: string, to: string, how: Call): Promise<void>
  /** Copies on the other side without moving bytes; false: send them. */
  copy?(from: Source, entry: Entry, how: Call): Promise<boolean>
  close(outcome: { readonly complete: boolean }): Promise<void>
}

/**
 * The optional fast path of a local source or destination: a module whose default export is a {@link WorkerEntry}, loaded in
 * the engine's workers. A small file costs about 10 µs through it, 60 µs through promises on the main thread.
 */
export interface WorkerModule {
  readonly url: URL
  /** Cloned into each worker. */
  readonly data?: unknown
}

/** Makes the worker's part from the module's `data`. */
export type WorkerEntry = (data: unknown, host: WorkerHost) => WorkerSide

/** What the engine is for the worker's part. */
export interface WorkerHost {
  /** As {@link Making.leftOut}, of the entry that is being made, committed or finished. */
  leftOut(kind: LeftOut): void
}

/** An open file of a source, in a worker. All calls are synchronous. */
export interface WorkerFile {
  /** Reads into all of `into` from `at`; returns how many bytes there were, fewer only at the end. */
  read(into: Uint8Array, at: number): number
  /** The next range with data at or after `at`; undefined where only a hole follows. Absent: no holes known. */
  nextData?(at: number): Range | undefined
  /**
   * Whether size, mtime or ctime are no longer what the entry said: `earlier`, they differed already when it was opened and have
   * been the same since; `now`, they changed since it was opened.
   */
  changed(): false | 'earlier' | 'now'
  close(): void
}

/** A file being written by a destination, in a worker. Nothing is visible under its path before `commit`. */
export interface WorkerOutput {
  /** Other workers join the same file by passing this to `create`. */
  readonly handle: string
  write(bytes: Uint8Array, at: number): void
  /** Gives the file its length, times, mode and owner, and its name. */
  commit(): void
  /** Removes what was written. */
  abort(): void
  /** Lets go of the file without finishing it: another worker will. */
  release(): void
}

/** The worker's part of a source or destination, all synchronous. It behaves as the plain methods do. */
export interface WorkerSide {
  scan?(filter: Filter, under: string): Iterable<readonly (Entry | Failure)[]>
  open?(entry: Entry): WorkerFile
  /** Opens a file for writing; with `handle`, joins one that another worker opened. */
  create?(entry: Entry, handle?: string): WorkerOutput
  /** As {@link Destination.create}. */
  make?(entry: Entry): void
  /** As {@link Destination.finish}. */
  finish?(entry: Entry): void
  /** Releases what is held open, when the work is over or given up. */
  close?(): void
}
