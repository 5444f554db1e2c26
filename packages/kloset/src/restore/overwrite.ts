import type { Overwrite } from '../api.js'
import type { Destination, Entry } from '../connector/index.js'
import type { Stat } from '../tree/index.js'

/** What becomes of an entry, given what is under its path already. */
export type Verdict =
  /** Written, in the place of what is there. */
  | 'write'
  /** Left as it is, because the policy says so. */
  | 'keep'
  /** As the snapshot has it already. */
  | 'same'
  /** A file that is right but for its mode, owner or times. */
  | 'metadata'
  /** A file that is right if its content is: that has to be read. */
  | 'compare'
  /** A directory that keeps its own mode, owner and times. */
  | 'merge'
  /** Cannot be written: a directory is there. */
  | 'blocked'

/** Decides what becomes of entries where the target already has something. */
export class Overwriting {
  readonly #policy: Overwrite
  readonly #keepsMode: boolean
  readonly #keepsOwner: boolean
  readonly #keepsTime: boolean
  readonly #mends: boolean
  readonly #grain: bigint

  constructor(policy: Overwrite, destination: Destination) {
    this.#policy = policy
    const { keeps } = destination.capabilities
    this.#keepsMode = keeps.includes('mode')
    this.#keepsOwner = keeps.includes('owner')
    this.#keepsTime = keeps.includes('mtime')
    this.#mends = destination.finish !== undefined
    this.#grain = destination.current?.capabilities.timeGrain ?? 0n
  }

  /** `there` is what is under the path of an entry to restore. */
  verdict(there: Entry | undefined, stat: Stat): Verdict {
    if (there === undefined) return 'write'
    if (stat.type === 'directory' && there.type === 'directory') return this.#leaves(there, stat) ? 'merge' : 'write'
    if (this.#leaves(there, stat)) return 'keep'
    const seemsRight = this.#policy === 'always' ? 'write' : this.#seemsRight(there, stat)
    return seemsRight === 'write' && there.type === 'directory' ? 'blocked' : seemsRight
  }

  /** What is still wrong with a file whose content is right: `same` where nothing is. */
  withRightContent(there: Entry, stat: Stat): 'same' | 'metadata' | 'write' {
    if (this.hasMetadata(there, stat)) return 'same'
    // What is set for one name of a file is set for all its names, and those may be anywhere.
    return this.#mends && (there.inode?.links ?? 1) === 1 ? 'metadata' : 'write'
  }

  /** Whether mode, owner and time are those of the snapshot, as far as the destination keeps them. */
  hasMetadata(there: Entry, stat: Stat): boolean {
    return this.metadataThatDiffers(there, stat).length === 0
  }

  /** What of mode, owner and time is not as in the snapshot, as far as the destination keeps it. */
  metadataThatDiffers(there: Entry, stat: Stat): string[] {
    const { mode, mtime, owner, type } = stat
    const differs: string[] = []
    // The mode of a link means nothing.
    if (this.#keepsMode && mode !== undefined && type !== 'symlink' && there.mode !== mode) differs.push('mode')
    if (this.#keepsOwner && !isSameOwner(there.owner, owner)) differs.push('owner')
    if (this.#keepsTime && mtime !== undefined && !this.#isSameTime(there.mtime, mtime)) differs.push('mtime')
    return differs
  }

  #leaves(there: Entry, { mtime }: Stat): boolean {
    if (this.#policy === 'never') return true
    return this.#policy === 'if-newer' && there.mtime !== undefined && mtime !== undefined && mtime <= there.mtime
  }

  #seemsRight(there: Entry, stat: Stat): Verdict {
    if (there.type !== stat.type) return 'write'
    if (stat.type === 'file') {
      if (there.size !== stat.size) return 'write'
      if (this.#policy === 'if-different') return 'compare'
      return this.#isSameTime(there.mtime, stat.mtime) ? this.withRightContent(there, stat) : 'write'
    }
    const sameTarget = there.target === stat.target && isSameDevice(there.device, stat.device)
    return sameTarget && this.hasMetadata(there, stat) ? 'same' : 'write'
  }

  /** Whether a time is the one that is wanted, or what the destination made of it. */
  #isSameTime(there: bigint | undefined, wanted: bigint | undefined): boolean {
    if (there === wanted) return true
    if (there === undefined || wanted === undefined) return false
    const apart = there < wanted ? wanted - there : there - wanted
    // Some systems keep less: microseconds or, as FAT, even seconds. Grains between are those of clocks, not of what is kept.
    const unit = this.#grain >= second ? this.#grain : microsecond
    return there % unit === 0n && apart < unit
  }
}

const microsecond = 1_000n
const second = 1_000_000_000n

/** Names count where both sides have them: then the same person may have another number. */
function isSameOwner(there: Entry['owner'], wanted: Entry['owner']): boolean {
  if (wanted === undefined || there === undefined) return true
  return (
    (isSameId(there.uid, wanted.uid) || isSameName(there.user, wanted.user)) &&
    (isSameId(there.gid, wanted.gid) || isSameName(there.group, wanted.group))
  )
}

function isSameId(there: number | undefined, wanted: number | undefined): boolean {
  return wanted === undefined || there === wanted
}

function isSameName(there: string | undefined, wanted: string | undefined): boolean {
  return there !== undefined && there === wanted
}

function isSameDevice(there: Entry['device'], wanted: Entry['device']): boolean {
  return there?.major === wanted?.major && there?.minor === wanted?.minor
}
