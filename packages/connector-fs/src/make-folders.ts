import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KlosetError } from 'kloset/connector'
import { fsError, isAbsent, systemCode } from './errors.js'

/**
 * Makes a folder and those above it that are missing, one after the other, and answers which it made, the outermost first. Node's own
 * recursive mkdir never ends where a system says of a folder in an existing one that it does not exist, and says the same where the disk is full.
 * @throws KlosetError that names the folder which could not be made, and why
 */
export async function makeFolders(path: string, mode = 0o777): Promise<string[]> {
  try {
    return (await made(path, mode)) ? [path] : []
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw fsError(error, 'create', path)
  }
  const above = await makeFolders(dirname(path), mode)
  try {
    return (await made(path, mode)) ? [...above, path] : above
  } catch (error) {
    throw isAbsent(error) ? notMade(path, error) : fsError(error, 'create', path)
  }
}

/** False where it is there already. */
async function made(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    return true
  } catch (error) {
    // Some file systems say that they are read-only, or that one may not, before they look for what is there.
    const there = await stat(path).catch(() => undefined)
    if (there?.isDirectory()) return false
    throw error
  }
}

function notMade(path: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `cannot create ${path}: no folders can be made in ${dirname(path)}`, {
    context: { path },
    hint: 'It was removed, or belongs to the system: choose another place.',
    cause,
  })
}
