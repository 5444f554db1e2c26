import { closeSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SnapshotFilter, Store } from 'kloset'
import { Shelf } from '../shelf/shelf.js'
import { Filesystem } from './filesystem.js'
import { startMounting } from './mounting.js'
import { Session } from './session.js'

/** What {@link mountStore} takes. */
export interface MountOptions {
  /** Which snapshots are shown; default: all. New ones show by themselves within seconds. */
  readonly where?: SnapshotFilter | undefined
  /**
   * Lets other users of this machine in, each with the rights that owners and modes of the files give. Without it, only the user who mounts gets in, and
   * may read everything. For users other than root the system must allow it: `user_allow_other` in `/etc/fuse.conf`. Default: no.
   */
  readonly allowOther?: boolean
  /** Told what could not be read: a file or folder that is damaged, or a storage that did not answer. Whoever read it got an error. */
  onFailed?(path: string, error: unknown): void
}

/** A store that is mounted. */
export interface Mount {
  /** Where, as an absolute path. */
  readonly folder: string
  /** Resolves once it is unmounted, by {@link Mount.unmount} or by anybody else. */
  readonly ended: Promise<void>
  /**
   * Unmounts. Resolves to false where somebody uses it: it is then out of sight, and `ended` when they have let go. Such users must be waited for, or they
   * get errors.
   */
  unmount(): Promise<boolean>
}

/**
 * Mounts the snapshots of an open store at a folder, read-only, through FUSE, on Linux. The store must stay open until the mount has ended; closing it is
 * the caller's.
 * @throws KLOSET_UNSUPPORTED where this system or user cannot do it, KLOSET_DENIED where the system refuses, KLOSET_NOT_FOUND and KLOSET_EXISTS for a folder
 * that is not there or not empty, KLOSET_BUSY for one where a mount was left by a program that died
 */
export async function mountStore(store: Store, folder: string, options: MountOptions = {}): Promise<Mount> {
  const { where, allowOther = false, onFailed = () => undefined } = options
  const shelf = new Shelf(store, { where, onStale: (error) => onFailed('', error) })
  // What is wrong with the store is told before anything is mounted.
  await shelf.snapshots()
  const place = resolve(folder)
  const mounting = await startMounting(place, { allowOther })
  const filesystem = new Filesystem(shelf, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })

  let isMounting = true
  const session = new Session(mounting.device, filesystem, { mounting: () => isMounting, onFailed })
  const ended = session.run().finally(() => {
    filesystem.close()
    closeSync(mounting.device)
  })
  ended.catch(() => undefined)
  try {
    await mounting.mounted
  } finally {
    isMounting = false
  }

  let unmounting: Promise<boolean> | undefined
  const unmount = async (): Promise<boolean> => {
    if (await mounting.unmount({ detach: false })) {
      await ended
      return true
    }
    await mounting.unmount({ detach: true })
    return false
  }
  return { folder: place, ended, unmount: () => (unmounting ??= unmount()) }
}
