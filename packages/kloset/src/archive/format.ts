import type { Bytes } from '../bytes/index.js'
import type { Destination, EntryType } from '../connector/index.js'
import type { Stat } from '../tree/index.js'

/** What an archive says of an entry. */
export interface Member {
  /** Relative, `''` for the root. */
  readonly path: string
  /** With its extended attributes, as far as the format keeps them; a file's size is that of its content. */
  readonly stat: Stat
  /** The path of an earlier member that is the same file. */
  readonly linkTo?: string | undefined
}

/** Says entries in the format of an archive: everything gives the bytes that come next. */
export interface ArchiveFormat {
  /** What it has a place for, as destinations say it. Sockets never have one. */
  readonly capabilities: Destination['capabilities']
  /** Whether a file with several names is written once. */
  readonly links: boolean
  /** Whether names keep bytes that are not UTF-8. */
  readonly anyBytes: boolean
  /** A member, and all that is in it. */
  whole(member: Member, content: readonly Bytes[]): readonly Bytes[]
  /** A file whose content comes in parts after this. */
  begin(member: Member): readonly Bytes[]
  part(bytes: Bytes): readonly Bytes[]
  /** Ends what was begun. */
  end(): readonly Bytes[]
  /** Ends the archive. */
  finish(): readonly Bytes[]
}

/** Seconds since 1970, rounded down also before that. */
export function secondsOf(time: bigint): bigint {
  return (time - (((time % second) + second) % second)) / second
}

/** Whether all of a path is text: a byte that is not UTF-8 is a surrogate that stands alone. */
export function isText(path: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(path)
}

/** The mode of what has none. */
export function usualMode(type: EntryType): number {
  return type === 'directory' ? 0o755 : type === 'symlink' ? 0o777 : 0o644
}

/** Nanoseconds. */
export const second = 1_000_000_000n
