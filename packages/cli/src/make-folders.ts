import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a private folder and those above it that are missing, one after the other: Node's recursive mkdir never ends where a system says of a
 * folder in an existing one that it does not exist, and says the same where the disk is full.
 * @throws the system's error for the first that cannot be made
 */
export async function makeFolders(folder: string): Promise<void> {
  try {
    await makeFolder(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolders(dirname(folder))
    await makeFolder(folder)
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    const there = await stat(folder).catch(() => undefined)
    if (there?.isDirectory() !== true) throw error
  }
}
