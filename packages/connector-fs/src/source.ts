import { read } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Call, Entry, Filter, Range, Source, WorkerModule } from 'kloset/connector'
import { type LeftOutData, leftOutOf } from './left-out.js'
import { Listed, rootsOf } from './listed.js'
import { type SystemPath, systemPath } from './local.js'
import { hasNative } from './native.js'
import { notEmpty } from './not-empty.js'
import { closeScanned, openScanned, readingError } from './opening.js'
import { hasFew, type SourceRoot, sourceRoot } from './roots.js'
import { type Scanned, type ScanOptions, scan } from './scan.js'
import { workerModule } from './sides.js'

/** How a {@link fsSource} is read. */
export interface FsSourceOptions {
  /** Whether extended attributes and access control lists are read. Default true. */
  readonly xattrs?: boolean
}

/**
 * The files below a folder; or a single file, whose path is then its own name. A root that is a symbolic link to a folder
 * stands for that folder; links below it are entries.
 * @throws KLOSET_NOT_FOUND where nothing is there.
 */
export async function fsSource(path: string, options: FsSourceOptions = {}): Promise<Source> {
  const root = sourceRoot(notEmpty(path))
  return new FsSource(root, await timeGrainOf(root.folder), undefined, options)
}

/**
 * The listed files and folders, with all that is below them, and the folders they are in. Nothing in the list has a special meaning; relative
 * paths start from `from`, by default the current folder. Usually one source: of that folder where all paths are relative and lead nowhere else,
 * else of `/`; on Windows one for each drive. So the next backup of the same list, grown or shrunk, is of the same source.
 * What is listed and not there is reported as failed.
 * @throws TypeError for an empty list
 */
export async function fsListSources(
  paths: readonly string[],
  from = '.',
  options: FsSourceOptions = {},
): Promise<Source[]> {
  if (paths.length === 0) throw new TypeError('the list of what to back up is empty')
  for (const path of paths) notEmpty(path)
  return Promise.all(
    rootsOf(paths, from).map(async (each) => {
      const root = sourceRoot(each.root)
      return new FsSource(root, await timeGrainOf(root.folder), each.paths, options)
    }),
  )
}

class FsSource implements Source {
  // Lists are not compared with backups of all that is there.
  readonly type: 'fs' | 'fs-list'
  readonly origin: string = hostname()
  readonly root: string
  readonly capabilities: Source['capabilities']
  readonly #root: SourceRoot
  readonly #listed: Listed | undefined
  readonly #paths: readonly string[] | undefined
  readonly #xattrs: boolean
  #leftOut: LeftOutData | undefined

  constructor(
    root: SourceRoot,
    timeGrain: bigint,
    listed: readonly string[] | undefined,
    { xattrs = true }: FsSourceOptions,
  ) {
    this.#xattrs = xattrs
    this.type = listed === undefined ? 'fs' : 'fs-list'
    this.#root = root
    this.#listed = listed && new Listed(listed)
    this.root = root.only === undefined ? root.folder : systemPath(root.folder, root.only).toString()
    this.#paths = listed
    this.capabilities = {
      order: 'path',
      access: 'random',
      atomic: false,
      few: listed === undefined && hasFew(root),
      ranges: true,
      timeGrain,
      inspects: true,
      // File operations run in libuv's four threads: more in flight only wait.
      concurrency: 4,
    }
  }

  get realRoot(): string {
    const { real, only, behind } = this.#root
    return behind ?? (only === undefined ? real : systemPath(real, only).toString())
  }

  get worker(): WorkerModule {
    const [root, listed, xattrs, leftOut] = [this.#root, this.#paths, this.#xattrs, this.#leftOut]
    return workerModule({ role: 'source', root, listed, xattrs, leftOut })
  }

  get #how(): ScanOptions {
    return { listed: this.#listed, xattrs: this.#xattrs, leftOut: this.#leftOut }
  }

  leaveOut(folders: readonly string[]): readonly string[] {
    this.#leftOut = leftOutOf(this.#root, folders)
    return folders.filter((folder) => leftOutOf(this.#root, [folder]).paths.length > 0)
  }

  async *scan(how: Call & { filter: Filter; under: string }): AsyncGenerator<readonly Scanned[]> {
    how.signal.throwIfAborted()
    for (const batch of scan(this.#root, how.filter, how.under, this.#how)) {
      yield batch
      // A batch takes about 3 ms of this thread, which others wait for.
      await setImmediate()
      how.signal.throwIfAborted()
    }
  }

  async *read(entry: Entry, how: Call & { range: Range | undefined }): AsyncGenerator<Uint8Array> {
    how.signal.throwIfAborted()
    const { file, path } = openScanned(this.#root, this.#listed, entry)
    try {
      let at = how.range?.offset ?? 0
      const end = how.range ? at + how.range.length : Number.POSITIVE_INFINITY
      // One byte more than expected shows at once that there is nothing more.
      let piece = Math.min(pieceSize, (how.range?.length ?? entry.size ?? pieceSize) + 1)
      while (at < end) {
        how.signal.throwIfAborted()
        const bytes = await nextPiece(file, at, Math.min(piece, end - at), path)
        if (bytes.length > 0) yield bytes
        if (bytes.length < Math.min(piece, end - at)) break
        at += bytes.length
        piece = pieceSize
      }
    } finally {
      closeScanned(file)
    }
  }

  get lacks(): readonly string[] {
    return this.#xattrs && !hasNative() ? [noXattrs] : []
  }

  async close(): Promise<void> {}
}

const noXattrs =
  process.platform === 'linux'
    ? 'extended attributes and ACLs are not backed up: that needs the package koffi beside @kloset/connector-fs'
    : 'extended attributes and ACLs are not backed up: they are on Linux only'

const pieceSize = 1024 * 1024
const readFrom = promisify(read)

async function nextPiece(file: number, at: number, length: number, path: SystemPath): Promise<Uint8Array> {
  const piece = Buffer.allocUnsafeSlow(length)
  let read = 0
  while (read < length) {
    const { bytesRead } = await readFrom(file, piece, read, length - read, at + read).catch(rethrow(path))
    if (bytesRead === 0) break
    read += bytesRead
  }
  return new Uint8Array(piece.buffer, 0, read)
}

function rethrow(path: SystemPath): (error: unknown) => never {
  return (error) => {
    throw readingError(error, path)
  }
}

/** The grain of the times that a file system gives, in nanoseconds. */
async function timeGrainOf(folder: string): Promise<bigint> {
  const type = await statfs(folder).then(
    (info) => info.type >>> 0,
    () => 0,
  )
  return grains.get(type) ?? tick
}

/** File systems store nanoseconds, but Linux takes them from a clock that ticks 100 to 1,000 times a second. */
const tick = 10_000_000n

/** Times of a network file system are those of a server, whose clock may be so far behind. */
const skew = 10_000_000_000n

// By the numbers of <linux/magic.h>.
const grains: ReadonlyMap<number, bigint> = new Map([
  // FAT keeps even seconds only.
  [0x4d44, 2_000_000_000n],
  // NFS, SMB (three numbers), AFS, Ceph, 9P, FUSE.
  ...[0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x00c36400, 0x01021997, 0x65735546].map(
    (type): [number, bigint] => [type, skew],
  ),
])
