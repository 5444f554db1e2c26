// Real folders to work on, and a comparison that trusts nothing: for the demo and the benchmark.
import { closeSync, cpSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** Copies a folder with its symlinks, modes and times, without what `skip(path, stat)` names. */
export function copyTree(from, to, skip = () => false) {
  cpSync(from, to, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path) => !skip(path, lstatSync(path)),
  })
}

/** Every path below a folder, relative, parents before children, the folder itself (`''`) first. */
export function* pathsBelow(folder, path = '') {
  yield path
  if (!lstatSync(join(folder, path)).isDirectory()) return
  for (const name of readdirSync(join(folder, path)).sort())
    yield* pathsBelow(folder, path === '' ? name : `${path}/${name}`)
}

/** How much a folder holds. */
export function sizeOfTree(folder) {
  const size = { entries: 0, files: 0, bytes: 0 }
  for (const path of pathsBelow(folder)) {
    const stat = lstatSync(join(folder, path))
    size.entries += 1
    if (!stat.isFile()) continue
    size.files += 1
    size.bytes += stat.size
  }
  return size
}

/** Everything that is not the same in two folders: a sentence each. Reads every byte of both; times are compared in units of `grain` nanoseconds. */
export function differences(a, b, grain = 1n) {
  const found = []
  const [left, right] = [new Set(pathsBelow(a)), new Set(pathsBelow(b))]
  for (const path of left) if (!right.has(path)) found.push(`${path} is missing`)
  for (const path of right) if (!left.has(path)) found.push(`${path} should not be there`)
  for (const path of left) {
    if (!right.has(path)) continue
    const difference = differenceOf(join(a, path), join(b, path), grain)
    if (difference !== undefined) found.push(`${path === '' ? 'the folder itself' : path}: ${difference}`)
  }
  return found
}

function differenceOf(a, b, grain) {
  const [left, right] = [lstatSync(a, { bigint: true }), lstatSync(b, { bigint: true })]
  if (left.mode !== right.mode) return `mode ${left.mode.toString(8)} became ${right.mode.toString(8)}`
  if (left.uid !== right.uid || left.gid !== right.gid) return 'another owner'
  if (left.isSymbolicLink()) return readlinkSync(a) === readlinkSync(b) ? undefined : 'points elsewhere'
  if (left.mtimeNs / grain !== right.mtimeNs / grain) return `modified ${left.mtimeNs} became ${right.mtimeNs}`
  if (!left.isFile()) return undefined
  if (left.nlink !== right.nlink) return `${left.nlink} names became ${right.nlink}`
  if (left.size !== right.size) return `${left.size} bytes became ${right.size}`
  return sameContent(a, b) ? undefined : 'other content'
}

const [pieceOfA, pieceOfB] = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)]

function sameContent(a, b) {
  const [left, right] = [openSync(a), openSync(b)]
  try {
    while (true) {
      const [read, readToo] = [readSync(left, pieceOfA), readSync(right, pieceOfB)]
      if (read !== readToo || pieceOfA.compare(pieceOfB, 0, read, 0, read) !== 0) return false
      if (read === 0) return true
    }
  } finally {
    closeSync(left)
    closeSync(right)
  }
}
