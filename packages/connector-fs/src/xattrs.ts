import { type Entry, KlosetError, type LeftOut, pathFromBytes, pathToBytes } from 'kloset/connector'
import { isAbsent, systemCode } from './errors.js'
import type { SystemPath } from './local.js'
import { type Native, native, type Place } from './native.js'

type Xattrs = NonNullable<Entry['xattrs']>

/** Where access control lists are: the one that counts, and of a folder the one that what is made in it gets. */
const accessAcl = 'system.posix_acl_access'
const defaultAcl = 'system.posix_acl_default'

/**
 * The extended attributes of what is at a path, access control lists among them; undefined where there are none, or none that can be read: a
 * file system that has no such thing is no error, and neither is a value that is only for others.
 * @throws the system's error where the disk fails
 */
export function xattrsOf(path: SystemPath, calls: Native): Xattrs | undefined {
  let found: [string, Uint8Array][] | undefined
  for (const name of namesOf(path, calls)) {
    const value = readable(() => calls.xattr(path, terminated(name)))
    if (value === undefined) continue
    found ??= []
    found.push([pathFromBytes(name), value])
  }
  return found && Object.fromEntries(found)
}

/**
 * Gives what is at a place the extended attributes for which `which` says so. What the system does not permit, or the file system does not
 * have, is told by kind; anything else is thrown when the others are set.
 */
export function setXattrs(
  place: Place,
  xattrs: Xattrs,
  which: (name: string) => boolean,
  leftOut: (kind: LeftOut) => void,
): void {
  const calls = native()
  if (calls === undefined) return
  const kinds = new Set<LeftOut>()
  let failed: unknown
  for (const [name, value] of Object.entries(xattrs)) {
    if (!which(name)) continue
    try {
      calls.setXattr(place, nameForC(name), value)
    } catch (error) {
      if (isRefusal(error)) kinds.add(kindOf(name))
      else failed ??= notSet(name, value.length, error)
    }
  }
  for (const kind of kinds) leftOut(kind)
  if (failed !== undefined) throw failed
}

/** Removes access control lists, where there are any: with none, the mode alone says who may do what. */
export function removeAcls(place: Place, type: Entry['type']): void {
  if (type === 'symlink') return
  readable(() => native()?.removeXattr(place, nameForC(accessAcl)))
  if (type === 'directory') readable(() => native()?.removeXattr(place, nameForC(defaultAcl)))
}

/** Whether what is made in a folder gets an access control list from it. */
export function handsDownAcl(folder: SystemPath): boolean {
  return readable(() => native()?.xattr(folder, nameForC(defaultAcl))) !== undefined
}

export function isAcl(name: string): boolean {
  return name === accessAcl || name === defaultAcl
}

/** What the report calls an attribute that was left out: many files have the same ones. */
function kindOf(name: string): LeftOut {
  if (isAcl(name)) return 'xattrs:acl'
  const namespace = name.slice(0, Math.max(0, name.indexOf('.')))
  return `xattrs:${namespaces.has(namespace) ? namespace : 'other'}`
}

const namespaces = new Set(['user', 'trusted', 'security', 'system'])

function namesOf(path: SystemPath, calls: Native): Uint8Array[] {
  const list = readable(() => calls.xattrNames(path))
  if (list === undefined) return none
  // A copy: reading values overwrites the list.
  const own = new Uint8Array(list)
  const names: Uint8Array[] = []
  for (let at = 0, end = own.indexOf(0); end >= 0; at = end + 1, end = own.indexOf(0, at)) {
    names.push(own.subarray(at, end))
  }
  return names
}

const none: Uint8Array[] = []

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    // What vanished meanwhile has none, either.
    if (isRefusal(error) || isAbsent(error)) return undefined
    throw error
  }
}

/** File systems say in different ways that an attribute is too long for them; some only as if the disk was full. */
function notSet(name: string, length: number, error: unknown): unknown {
  const code = systemCode(error) ?? ''
  if (!['ENOSPC', 'EDQUOT', 'E2BIG', 'ERANGE'].includes(code)) return error
  return new KlosetError(
    'KLOSET_FULL',
    `cannot set the attribute ${name} of ${length} bytes: there is no room for it`,
    {
      hint: 'Many file systems hold only some 4 KB of attributes for each file; XFS holds 64 KB for each attribute.',
      context: { name, length, system: code },
      cause: error,
    },
  )
}

/** Whether an error says that the system does not permit something, or the file system has no such thing. */
export function isRefusal(error: unknown): boolean {
  return refused.has(systemCode(error) ?? '')
}

// What systems answer that do not permit it, or have no such attributes; ENODATA where one is gone since it was listed.
const refused = new Set(['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'ENODATA'])

// A few names are set over and over.
const names = new Map<string, Buffer>()

function nameForC(name: string): Buffer {
  const known = names.get(name)
  if (known !== undefined) return known
  if (names.size >= 256) names.clear()
  const bytes = terminated(pathToBytes(name))
  names.set(name, bytes)
  return bytes
}

function terminated(name: Uint8Array): Buffer {
  return Buffer.concat([name, Buffer.alloc(1)])
}
