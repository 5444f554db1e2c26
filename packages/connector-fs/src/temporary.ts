import { randomBytes } from 'node:crypto'
import { readdir, stat, unlink } from 'node:fs/promises'

const day = 24 * 60 * 60 * 1000

/** A name that no other writer chooses. */
export function temporaryName(): string {
  return randomBytes(12).toString('hex')
}

/**
 * Removes what crashed writers left in `folder` more than a day before `now`: a live one is never that slow with one object. Both times are the
 * file system's own, in milliseconds: the clock of this machine may be far from that of a file server or of whoever writes there.
 */
export async function removeStale(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = `${folder}/${name}`
    // Another client may be cleaning up too, and leftovers harm nobody: what fails here is left for the next one.
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile() && now - info.mtimeMs > day) await unlink(path).catch(() => {})
  }
}
