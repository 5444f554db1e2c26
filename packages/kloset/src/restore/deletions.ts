import type { Call, Destination, Entry } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import type { Stat } from '../tree/index.js'
import { Current } from './current.js'
import { isBelow, type Refused, type Target } from './entries.js'
import type { Overwriting } from './overwrite.js'
import type { ProtectedPaths } from './protecting.js'
import type { Patterns } from './selected.js'

/** What a restore will delete. */
export interface Deletions {
  /** In path order. */
  readonly entries: readonly Entry[]
  /** Directories among them that something of the snapshot takes the place of. */
  readonly clears: ReadonlySet<string>
  /** Mounted file systems of which the snapshot has nothing, and which are therefore left alone. */
  readonly mounts: readonly string[]
}

/** What decides about deletions. */
export interface PlanningOptions {
  readonly overwriting: Overwriting
  readonly patterns: Patterns | undefined
  readonly protects: ProtectedPaths
  /** The only names at the top of the target that the snapshot tells of; undefined where it tells of all. */
  readonly tops: ReadonlySet<string> | undefined
}

/**
 * Finds out what is at a destination and not among the targets, without changing anything. Undefined where some of the snapshot cannot be
 * read: what is missing of it then is not known.
 */
export async function planDeletions(
  targets: AsyncIterable<Target | Refused>,
  destination: Destination,
  { overwriting, patterns, protects, tops }: PlanningOptions,
  call: Call,
): Promise<Deletions | undefined> {
  const { current } = destination
  if (current === undefined || destination.remove === undefined)
    throw new KlosetError('KLOSET_UNSUPPORTED', 'nothing can be deleted at this destination', {
      hint: 'Leave out --delete, or restore somewhere else.',
    })
  const planner = new Planner(overwriting, patterns, tops)
  const there = new Current(current, call, (entry) => planner.passed(entry))
  try {
    for await (const target of targets) {
      call.signal.throwIfAborted()
      if ('error' in target) return undefined
      planner.met(target.path, target.stat, await there.at(target.path))
    }
    await there.finish()
    return planner.finish(protects)
  } finally {
    await there.close()
  }
}

/** Hears of everything in the snapshot and at the destination, in path order. */
class Planner {
  readonly #overwriting: Overwriting
  readonly #patterns: Patterns | undefined
  readonly #tops: ReadonlySet<string> | undefined
  #doomed: Doomed[] = []
  // Directories that are to be deleted, from the outermost to the one that is gone through.
  readonly #above: Doomed[] = []
  // File systems that are mounted below the destination's root, likewise, and before them that of the root.
  readonly #mounts: Mount[] = []
  readonly #left: string[] = []
  // What is in this directory stays.
  #whole: string | undefined

  constructor(overwriting: Overwriting, patterns: Patterns | undefined, tops: ReadonlySet<string> | undefined) {
    this.#overwriting = overwriting
    this.#patterns = patterns
    this.#tops = tops
  }

  /** An entry of the snapshot, and what is under its path. */
  met(path: string, stat: Stat, there: Entry | undefined): void {
    this.#leave(path)
    for (const mount of this.#mounts) if (path !== mount.path) mount.inSnapshot = true
    if (there === undefined) return
    this.#enter(there)
    if (there.type !== 'directory') return
    const verdict = this.#overwriting.verdict(there, stat)
    if (verdict === 'blocked') this.#doom({ entry: there, replaced: true, stays: false })
    // What is in a directory that could not be read when it was backed up, the snapshot does not say.
    else if (verdict === 'keep' || stat.error !== undefined) this.#whole = path
  }

  /** An entry that the snapshot does not have. */
  passed(entry: Entry): void {
    this.#leave(entry.path)
    if (entry.path === '' || this.#whole !== undefined) return
    this.#enter(entry)
    if (this.#tops?.has(entry.path.split('/', 1)[0]!) === false) return
    if (this.#patterns?.takes(entry.path, entry.type === 'directory') === false) this.#keepAbove()
    else this.#doom({ entry, replaced: false, stays: false })
  }

  finish(protects: ProtectedPaths): Deletions {
    while (this.#mounts.length > 0) this.#leaveMount()
    const doomed = this.#doomed.filter(({ stays, entry }) => !stays && !protects.keeps(entry.path))
    const clears = doomed.filter(({ replaced }) => replaced).map(({ entry }) => entry.path)
    return { entries: doomed.map(({ entry }) => entry), clears: new Set(clears), mounts: this.#left }
  }

  #doom(doomed: Doomed): void {
    this.#doomed.push(doomed)
    if (doomed.entry.type === 'directory') this.#above.push(doomed)
  }

  /** A directory that holds something that stays does so, too. */
  #keepAbove(): void {
    for (const directory of this.#above) directory.stays = true
  }

  #enter({ path, type, inode }: Entry): void {
    if (type !== 'directory' || inode === undefined || this.#mounts.at(-1)?.device === inode.device) return
    this.#mounts.push({ path, device: inode.device, from: this.#doomed.length, inSnapshot: path === '' })
  }

  /** Leaves the directories that a path is not in. */
  #leave(path: string): void {
    if (this.#whole !== undefined && !isBelow(path, this.#whole)) this.#whole = undefined
    while (this.#mounts.length > 0 && !isBelow(path, this.#mounts.at(-1)!.path)) this.#leaveMount()
    while (this.#above.length > 0 && !isBelow(path, this.#above.at(-1)!.entry.path)) this.#above.pop()
  }

  #leaveMount(): void {
    const { path, from, inSnapshot } = this.#mounts.pop()!
    if (inSnapshot || this.#doomed.length === from) return
    // The snapshot has nothing of it: that is what a backup of one file system looks like, not an empty one.
    this.#doomed = this.#doomed.slice(0, from)
    while (this.#above.length > 0 && !this.#doomed.includes(this.#above.at(-1)!)) this.#above.pop()
    this.#keepAbove()
    this.#left.push(path)
  }
}

/** An entry that is to be deleted, unless it turns out that it stays. */
interface Doomed {
  readonly entry: Entry
  /** Something of the snapshot takes its place. */
  readonly replaced: boolean
  stays: boolean
}

/** A file system, from the directory it is mounted on. */
interface Mount {
  readonly path: string
  readonly device: bigint
  /** How many entries were to be deleted when it began. */
  readonly from: number
  inSnapshot: boolean
}
