import type { RestoreResult } from 'kloset'
import { counted } from './bytes.js'
import { harmless } from './names.js'

/** What a restore did not keep, a line for all of it; undefined where nothing is missing. */
export function leftOutLine(
  { leftOut }: RestoreResult,
  isRoot: boolean = process.geteuid?.() === 0,
): string | undefined {
  const kinds = Object.entries(leftOut)
  if (kinds.length === 0) return undefined
  const hint =
    !isRoot && kinds.some(([kind]) => needsRoot(kind)) ? ' (run it as root to keep what only root may give)' : ''
  return `  not kept there: ${kinds.map(([kind, number]) => phrase(kind, number)).join(', ')}${hint}`
}

function phrase(kind: string, number: number): string {
  const things = nouns[kind]
  if (things !== undefined) return counted(number, ...things)
  return `${words[kind] ?? harmless(attributes(kind))} of ${counted(number, 'entry', 'entries')}`
}

function attributes(kind: string): string {
  const [thing, namespace] = kind.split(':')
  return thing === 'xattrs' && namespace !== undefined ? `${namespace}.* attributes` : kind
}

function needsRoot(kind: string): boolean {
  return ['owner', 'devices', 'mode:setuid', 'xattrs:trusted', 'xattrs:security'].includes(kind)
}

/** Kinds that are entries themselves. */
const nouns: Readonly<Record<string, readonly [one: string, many: string]>> = {
  directories: ['directory', 'directories'],
  symlinks: ['symlink', 'symlinks'],
  special: ['pipe or socket', 'pipes and sockets'],
  devices: ['device', 'devices'],
}

/** Kinds that are a part of entries. */
const words: Readonly<Record<string, string>> = {
  mtime: 'modification time',
  xattrs: 'extended attributes',
  'mode:setuid': 'setuid and setgid',
  'xattrs:acl': 'access control list',
  'xattrs:other': 'other attributes',
}
