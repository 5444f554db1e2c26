import { randomBytes } from 'node:crypto'
import { readdir, stat, unlink } from 'node:fs/promises'

const day = 24 * 60 * 60 * 1000

/** A name that no other writer chooses. */
export function temporaryName(): string {
  return randomBytes(12).toString('hex')
}

/** A name for a file that is being restored, beside its final place: hidden, and telling whose it is. */
export function nextTemporaryName(): string {
  return `${restoring}${(count++).toString(36)}`
}

/** Whether {@link nextTemporaryName} made `name`, in whatever thread. */
export function isTemporaryName(name: string): boolean {
  return /^\.kloset-[0-9a-f]{16}-[0-9a-z]+$/.test(name)
}

// Each thread loads this module for itself, and so has a prefix of its own.
const restoring = `.kloset-${randomBytes(8).toString('hex')}-`
let count = 0

/** Removes what crashed writers left in `folder` more than a day ago: a live one is never that slow with one object. */
export async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = `${folder}/${name}`
    // Another client may be cleaning up too, and leftovers harm nobody: what fails here is left for the next one.
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile() && Date.now() - info.mtimeMs > day) await unlink(path).catch(() => {})
  }
}
