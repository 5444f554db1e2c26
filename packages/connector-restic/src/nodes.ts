import { createHash } from 'node:crypto'
import {
  checkPath,
  comparePaths,
  type Entry,
  type EntryType,
  KlosetError,
  pathFromBytes,
  safeSegment,
} from 'kloset/connector'
import { damaged } from './errors.js'
import { permissions, timeOf, unquoted } from './go.js'
import { type Fields, fieldsOf, itemsOf, jsonOf, textOf } from './json.js'
import { idPattern } from './layout.js'

/** What restic's tree says of one file, directory or other thing, without its path. */
export interface Node {
  /** As in paths of entries. */
  readonly name: string
  readonly type: EntryType | undefined
  readonly fields: Fields
}

/** A node and the path that its entry has. */
export interface Child {
  readonly path: string
  readonly node: Node
}

/** What is in a directory. */
export interface Listing {
  /** In path order, each path once. */
  readonly children: readonly Child[]
  /** Names that no entry can have. */
  readonly unsafe: readonly string[]
}

/** What the tree of the directory at `folder` tells. @throws KlosetError KLOSET_TREE_CORRUPT */
export function listingOf(tree: Uint8Array, id: string, folder: string): Listing {
  const object = `tree ${id.slice(0, 16)}…`
  const { nodes } = jsonOf('KLOSET_TREE_CORRUPT', object, tree)
  if (nodes !== null && !Array.isArray(nodes)) throw damaged('KLOSET_TREE_CORRUPT', object, 'it has no list of nodes')
  const children: Child[] = []
  const unsafe: string[] = []
  for (const value of itemsOf(nodes)) {
    const node = nodeOf(object, fieldsOf(value))
    const path = folder === '' ? node.name : `${folder}/${node.name}`
    if (safeSegment(node.name) && isPath(path)) children.push({ path, node })
    else unsafe.push(node.name)
  }
  return { children: ordered(children), unsafe }
}

/** The ids of the parts of a file. @throws KlosetError KLOSET_TREE_CORRUPT */
export function contentOf({ name, fields }: Node): string[] {
  return itemsOf(fields.content).map((id) => {
    if (typeof id === 'string' && idPattern.test(id)) return id
    throw damaged('KLOSET_TREE_CORRUPT', name, 'its content has parts without ids')
  })
}

/** The id of the tree of a directory. @throws KlosetError KLOSET_TREE_CORRUPT */
export function subtreeOf({ name, fields }: Node): string {
  const id = textOf(fields.subtree)
  if (idPattern.test(id)) return id
  throw damaged('KLOSET_TREE_CORRUPT', name, 'it is a directory without a tree')
}

/**
 * The entry of a node; of a file with the ids of its content as `ref`. `sizeOf` tells how many bytes those have: old versions of restic did not count again
 * when a file grew while it was read.
 * @throws KlosetError where there is no such entry
 */
export function entryOf({ node, path }: Child, sizeOf: (ids: readonly string[]) => number | undefined): Entry {
  const { type, fields } = node
  if (type === undefined) {
    throw new KlosetError('KLOSET_UNSUPPORTED', `restic calls it a ${JSON.stringify(textOf(fields.type))}`, {
      context: { path },
    })
  }
  const entry: Entry = {
    path,
    type,
    mode: permissions(numberOf(fields.mode) ?? 0),
    mtime: realTime(fields.mtime),
    ctime: realTime(fields.ctime),
    owner: {
      uid: numberOf(fields.uid),
      gid: numberOf(fields.gid),
      user: textOf(fields.user) || undefined,
      group: textOf(fields.group) || undefined,
    },
    inode: inodeOf(fields),
    xattrs: xattrsOf(fields),
    attributes: attributesOf(fields),
  }
  if (type === 'symlink') return { ...entry, target: targetOf(fields) }
  if (type === 'block' || type === 'character') return { ...entry, device: deviceOf(fields) }
  if (type !== 'file') return entry
  const content = contentOf(node)
  return {
    ...entry,
    size: sizeOf(content) ?? numberOf(fields.size) ?? 0,
    version: versionOf(content),
    ref: content.join(''),
  }
}

/** The ids in the `ref` of an entry. */
export function idsIn({ ref = '' }: Entry): string[] {
  return ref.match(/.{64}/g) ?? []
}

const types: Readonly<Record<string, EntryType>> = {
  file: 'file',
  dir: 'directory',
  symlink: 'symlink',
  dev: 'block',
  chardev: 'character',
  fifo: 'fifo',
  socket: 'socket',
}

function isPath(path: string): boolean {
  try {
    checkPath(path)
    return true
  } catch {
    return false
  }
}

/** Restic sorts by the same bytes; what does not is not left to break everything else. */
function ordered(children: Child[]): Child[] {
  const isOrdered = children.every(({ path }, at) => at === 0 || comparePaths(children[at - 1]!.path, path) < 0)
  if (isOrdered) return children
  children.sort((a, b) => comparePaths(a.path, b.path))
  return children.filter(({ path }, at) => at === 0 || children[at - 1]!.path !== path)
}

function nodeOf(object: string, fields: Fields): Node {
  const name = unquoted(textOf(fields.name))
  if (name === undefined)
    throw damaged('KLOSET_TREE_CORRUPT', object, 'a name in it is not written as restic writes them')
  const type = textOf(fields.type)
  return { name, type: Object.hasOwn(types, type) ? types[type] : undefined, fields }
}

/** Two files of the same parts have the same content: it is recognised without being read. */
function versionOf(content: readonly string[]): string {
  return createHash('sha256').update(content.join('')).digest('base64url').slice(0, 22)
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

/** Also of numbers beyond what a number holds, which are texts here. */
function bigintOf(value: unknown): bigint | undefined {
  const isWhole =
    typeof value === 'number'
      ? Number.isSafeInteger(value) && value >= 0
      : typeof value === 'string' && /^\d{1,20}$/.test(value)
  if (!isWhole) return undefined
  const number = BigInt(value as number | string)
  return BigInt.asUintN(64, number) === number ? number : undefined
}

/** Go's zero time says that nothing was known. Times that no snapshot can hold are the engine's to move and to tell of. */
function realTime(value: unknown): bigint | undefined {
  return timeOf(textOf(value))
}

function inodeOf(fields: Fields): Entry['inode'] {
  const number = bigintOf(fields.inode)
  // Restic tells how many names only files and the like have.
  if (number === undefined || number === 0n) return undefined
  return { number, device: bigintOf(fields.device_id) ?? 0n, links: numberOf(fields.links) ?? 1 }
}

/** What is not UTF-8 stands beside what JSON could hold of it. */
function targetOf({ linktarget, linktarget_raw }: Fields): string {
  return typeof linktarget_raw === 'string' ? pathFromBytes(Buffer.from(linktarget_raw, 'base64')) : textOf(linktarget)
}

/** As Linux has them (glibc's makedev). */
function deviceOf({ device }: Fields): NonNullable<Entry['device']> {
  const number = bigintOf(device) ?? 0n
  return {
    major: Number(((number >> 32n) & 0xfffff000n) | ((number >> 8n) & 0xfffn)),
    minor: Number(((number >> 12n) & 0xffffff00n) | (number & 0xffn)),
  }
}

function xattrsOf({ extended_attributes }: Fields): Entry['xattrs'] {
  const found = itemsOf(extended_attributes).map(fieldsOf)
  if (found.length === 0) return undefined
  return Object.fromEntries(
    found.map(({ name, value }) => [textOf(name), new Uint8Array(Buffer.from(textOf(value), 'base64'))]),
  )
}

/** What restic keeps of other systems, such as `windows.file_attributes`, as the JSON it has. */
function attributesOf({ generic_attributes }: Fields): Entry['attributes'] {
  const found = Object.entries(fieldsOf(generic_attributes))
  if (found.length === 0) return undefined
  return Object.fromEntries(found.map(([name, value]) => [name, JSON.stringify(value)]))
}
