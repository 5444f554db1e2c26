import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import type { StoredObject } from 'kloset/connector'
import { fsError, isAbsent } from './errors.js'
import { isNameSegment, longestName } from './object-names.js'

const batchSize = 1000

/**
 * The objects below `root` whose names start with `prefix` and follow `after`, ascending, in batches. Files that vanish
 * meanwhile are left out, and so is everything that is not named as an object is.
 */
export async function* listObjects(
  root: string,
  prefix: string,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredObject[]> {
  const wanted: Wanted = { prefix, after }
  let names: string[] = []
  for await (const name of namesBelow(root, '', wanted, signal)) {
    names.push(name)
    if (names.length < batchSize) continue
    const batch = await withSizes(root, names, signal)
    names = []
    if (batch.length > 0) yield batch
  }
  const batch = await withSizes(root, names, signal)
  if (batch.length > 0) yield batch
}

interface Wanted {
  readonly prefix: string
  readonly after: string | undefined
}

/** Folders sort as if their names ended in `/`: `a-b` comes before `a/x`, as the whole names do. */
async function* namesBelow(root: string, folder: string, wanted: Wanted, signal: AbortSignal): AsyncGenerator<string> {
  signal.throwIfAborted()
  const inside = (await children(`${root}/${folder}`)).flatMap((child) => keyOf(folder, child))
  inside.sort()
  for (const key of inside) {
    if (!key.endsWith('/')) {
      if (key.startsWith(wanted.prefix) && (wanted.after === undefined || key > wanted.after)) yield key
    } else if (mayHold(key, wanted)) yield* namesBelow(root, key, wanted, signal)
  }
}

function keyOf(folder: string, child: Dirent): string[] {
  const name = folder + child.name
  if (!isNameSegment(child.name) || name.length > longestName) return []
  if (child.isDirectory()) return [`${name}/`]
  // Someone may have moved a top folder and left a link: both readings are tried. Deeper ones could go in circles.
  if (child.isSymbolicLink()) return folder === '' ? [name, `${name}/`] : [name]
  return child.isFile() ? [name] : []
}

function mayHold(folder: string, { prefix, after }: Wanted): boolean {
  if (!prefix.startsWith(folder) && !folder.startsWith(prefix)) return false
  return after === undefined || folder > after || after.startsWith(folder)
}

async function children(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return []
    throw fsError(error, 'list', path)
  }
}

async function withSizes(root: string, names: readonly string[], signal: AbortSignal): Promise<StoredObject[]> {
  signal.throwIfAborted()
  const sizes = await Promise.all(names.map((name) => sizeOf(`${root}/${name}`)))
  signal.throwIfAborted()
  return names.flatMap((name, at) => {
    const size = sizes[at]
    return size === undefined ? [] : [{ name, size }]
  })
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path)
    return info.isFile() ? info.size : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw fsError(error, 'look at', path)
  }
}
