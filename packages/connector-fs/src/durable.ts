import { constants } from 'node:fs'
import { chown, type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KlosetError } from 'kloset/connector'
import { systemCode } from './errors.js'

/** Who owns what root writes into somebody else's store. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Makes the folder and those above it, so that they survive a power cut as what is put into them does. Step by step, since Node's own way
 * reports a full disk as a missing folder, and never ends where the system makes no folders (procfs).
 */
export async function makeRoot(root: string): Promise<void> {
  const above = dirname(root)
  try {
    await mkdir(root, { mode: 0o700 })
  } catch (error) {
    if (await isFolder(root)) return
    if (systemCode(error) !== 'ENOENT' || above === root) throw error
    if (await isFolder(above)) throw takesNoFolders(root, above, error)
    await makeRoot(above)
    await mkdir(root, { mode: 0o700 }).catch(async (reason) => {
      if (!(await isFolder(root))) throw reason
    })
  }
  await syncFolder(above).catch((error) => {
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

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  )
}

function takesNoFolders(root: string, above: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `cannot create ${root}: no folders can be made in ${above}`, {
    hint: 'It was removed, or belongs to the system: choose another place.',
    context: { path: root },
    cause,
  })
}
