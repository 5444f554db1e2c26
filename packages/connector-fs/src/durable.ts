import { constants } from 'node:fs'
import { chown, type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './errors.js'
import { makeFolders } from './make-folders.js'

/** Who owns what root writes into somebody else's store. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Makes the folder and those above it, so that they survive a power cut as what is put into them does. */
export async function makeRoot(root: string): Promise<void> {
  for (const folder of await makeFolders(root, 0o700))
    await syncFolder(dirname(folder)).catch((error) => {
      // A folder one may write into and not read: drop boxes are like that.
      if (systemCode(error) !== 'EACCES') throw error
    })
}

/** Makes one folder; returns whether it was not there. */
export async function makeFolder(folder: string, owner: Owner | undefined): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
  if (owner) await chown(folder, owner.uid, owner.gid)
  return true
}

/** Writes a new file and syncs it to the disk. */
export async function writeSynced(
  path: string,
  body: Uint8Array,
  signal: AbortSignal,
  owner: Owner | undefined,
): Promise<void> {
  await using(open(path, 'wx', 0o600), async (file) => {
    if (owner) await file.chown(owner.uid, owner.gid)
    let written = 0
    while (written < body.length) {
      signal.throwIfAborted()
      const { bytesWritten } = await file.write(body, written, body.length - written, written)
      written += bytesWritten
    }
    signal.throwIfAborted()
    await file.sync()
  })
}

/** Syncs the names in a folder to the disk. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders; NTFS journals names by itself.
  if (process.platform === 'win32') return
  await using(open(path, constants.O_RDONLY | constants.O_DIRECTORY), async (folder) => {
    await folder.sync().catch((error) => {
      // Some network file systems have no such call, and store names before they answer.
      if (!noFolderSync.has(systemCode(error) ?? '')) throw error
    })
  })
}

/** Works with a file and closes it, whatever happens. */
export async function using<T>(opening: Promise<FileHandle>, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await opening
  let result: T
  try {
    result = await work(file)
  } catch (error) {
    await file.close().catch(() => {})
    throw error
  }
  // A close that fails can be a write that failed (NFS reports a full disk here).
  await file.close()
  return result
}

const noFolderSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
