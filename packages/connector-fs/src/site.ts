import type { LeftOut } from 'kloset/connector'
import type { Folders } from './folders.js'
import type { OwnerNumbers } from './owners.js'

/** What becomes of runs of zeros in files: holes stay holes, all zeros become holes, or every byte takes room on the disk. */
export type Holes = 'keep' | 'make' | 'none'

/** How a restore goes about it. */
export interface RestoreSettings {
  /** Whether extended attributes and access control lists are restored. */
  readonly xattrs: boolean
  /** Whether owners are who has the name here, or who has the number. */
  readonly owners: 'names' | 'numbers'
  readonly holes: Holes
  /**
   * Where the system cannot hold folders open (all but Linux with /proc), root is refused folders that others can write to, since they could
   * redirect what is written. True: they are trusted.
   */
  readonly trustTarget: boolean
}

export const defaultSettings: RestoreSettings = { xattrs: true, owners: 'names', holes: 'keep', trustTarget: false }

/** Where something is restored, and how. */
export interface Site {
  readonly folders: Folders
  readonly owners: OwnerNumbers
  readonly settings: RestoreSettings
  /** Is told what could not be kept of the entry at hand. */
  leftOut(kind: LeftOut): void
}
