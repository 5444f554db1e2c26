import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { native } from '../src/native.js'

/** What is compared of everything in a tree. Times of access and change are the system's own. */
export interface Likeness {
  readonly type: number
  readonly mode: number
  readonly mtime: bigint
  readonly owner: string
  /** Bytes of a file. */
  readonly size: bigint
  /** Digest of a file's bytes, or where a link leads. */
  readonly content: string
  /** The number of a device. */
  readonly device: bigint
  /** Where a file has data: its holes are between. */
  readonly data: string
  /** The first of all paths that are names of the same thing. */
  readonly same: string
  /** As getfattr tells them. */
  readonly xattrs: string
  /** As getfacl tells it. */
  readonly acl: string
}

/**
 * How a tree differs from another, a line each; nothing where they are the same. Programs of the system say what is there, as far as
 * they can: getfattr and getfacl have to be installed.
 */
export function unlike(source: string, copy: string, ignore: readonly (keyof Likeness)[] = []): string[] {
  const [left, right] = [likenesses(source), likenesses(copy)]
  const lines: string[] = []
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(path), right.get(path)]
    if (one === undefined || other === undefined) lines.push(`${path}: only in ${one === undefined ? copy : source}`)
    else
      for (const key of Object.keys(one) as (keyof Likeness)[])
        if (!ignore.includes(key) && one[key] !== other[key])
          lines.push(`${path}: ${key} ${String(one[key]).slice(0, 500)} became ${String(other[key]).slice(0, 500)}`)
  }
  return lines
}

/** Everything in a tree, by the bytes of its path in Latin-1. */
function likenesses(root: string): Map<string, Likeness> {
  const xattrs = blocksOf('getfattr', root, ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'])
  const acls = blocksOf('getfacl', root, ['-R', '-P', '-n', '.'])
  const found = new Map<string, Likeness>()
  const firsts = new Map<string, string>()
  const visit = (path: Buffer, name: string): void => {
    const info = lstatSync(path, { bigint: true })
    const identity = `${info.dev}:${info.ino}`
    if (!firsts.has(identity)) firsts.set(identity, name)
    const file = info.isFile() ? contentOf(path) : undefined
    found.set(name, {
      type: Number(info.mode) & 0o170000,
      mode: Number(info.mode) & 0o7777,
      mtime: info.mtimeNs,
      owner: `${info.uid}:${info.gid}`,
      size: info.isFile() ? info.size : 0n,
      content: file?.digest ?? (info.isSymbolicLink() ? readlinkSync(path, 'latin1') : ''),
      device: info.rdev,
      data: file?.data ?? '',
      same: info.isDirectory() ? '' : firsts.get(identity)!,
      xattrs: xattrs.get(name) ?? '',
      acl: acls.get(name) ?? '',
    })
    if (!info.isDirectory()) return
    for (const child of readdirSync(path, 'buffer').sort(Buffer.compare)) {
      const below = child.toString('latin1')
      visit(Buffer.concat([path, Buffer.from('/'), child]), name === '' ? below : `${name}/${below}`)
    }
  }
  visit(Buffer.from(root), '')
  return found
}

/** What a program says of each file: a block that begins with its name, and then sorted lines. */
function blocksOf(program: string, root: string, options: readonly string[]): Map<string, string> {
  const told = execFileSync(program, options, {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return new Map(
    told.split('\n\n').flatMap((block): [string, string][] => {
      const [first, ...lines] = block.trim().split('\n')
      if (!first?.startsWith('# file: ')) return []
      const name = first.slice(8).replace(/\\(\d{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
      return [[name === '.' ? '' : name.replace(/^\.\//, ''), lines.sort().join('\n')]]
    }),
  )
}

const piece = Buffer.alloc(1024 * 1024)

function contentOf(path: Buffer): { digest: string; data: string } {
  const hash = createHash('sha256')
  const file = openSync(path, 'r')
  try {
    for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) hash.update(piece.subarray(0, read))
    const ranges: string[] = []
    const calls = native()
    for (let at = 0, data = calls?.nextData(file, at); data !== undefined; data = calls?.nextData(file, at)) {
      at = data.offset + data.length
      ranges.push(`${data.offset}–${at}`)
    }
    return { digest: hash.digest('hex'), data: ranges.join(' ') }
  } finally {
    closeSync(file)
  }
}
