import { readFileSync } from 'node:fs'
import type { Snapshot } from 'kloset'
import { pathFromBytes } from 'kloset/connector'
import { UsageError } from './exit.js'

/** A command line taken apart as far as the grammar `kloset [options] at STORE [options] VERB …` goes. */
export interface CommandLine {
  readonly store: string | undefined
  readonly verb: string | undefined
  /** What follows the verb, and what stood before it. */
  readonly rest: readonly string[]
}

/** Takes `at STORE` out of the arguments and puts the options before the verb behind it. @throws UsageError */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const before: string[] = []
  let store: string | undefined
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!
    if (argument === 'at') {
      if (store !== undefined) throw new UsageError('two stores are given', 'Say `at STORE` once.')
      store = args[++index]
      if (!store) throw new UsageError('`at` without a store', 'Say where it is: kloset at /var/backups ls')
    } else if (argument.startsWith('-')) {
      before.push(argument)
      if (takesValue.has(argument) && index + 1 < args.length) before.push(args[++index]!)
    } else {
      return { store, verb: argument, rest: [...before, ...args.slice(index + 1)] }
    }
  }
  return { store, verb: undefined, rest: before }
}

/** Options, of every verb that opens a store, whose value is the next argument. */
export const takesValue: ReadonlySet<string> = new Set([
  ...['--passphrase-file', '--passphrase-command', '--key-file', '-o', '--option', '--cache-dir', '--cache-size'],
  ...['--limit-upload', '--limit-download', '--concurrency'],
  ...['--peer-passphrase-file', '--peer-passphrase-command', '--peer-key-file', '--peer-o', '--peer-option'],
])

/**
 * The arguments of this process with bytes that are not UTF-8 kept as U+DC80–U+DCFF, as paths of snapshots have them. Node
 * replaces them by U+FFFD; where one is seen and the system tells (Linux), the bytes are read again.
 */
export function processArguments(): string[] {
  const given = process.argv.slice(2)
  if (!given.some((argument) => argument.includes('\ufffd'))) return given
  try {
    const line = readFileSync('/proc/self/cmdline')
    const parts: Uint8Array[] = []
    for (let start = 0; start < line.length; ) {
      const end = line.indexOf(0, start)
      parts.push(line.subarray(start, end < 0 ? line.length : end))
      start = end < 0 ? line.length : end + 1
    }
    return given.length === 0 ? [] : parts.slice(-given.length).map(pathFromBytes)
  } catch {
    return given
  }
}

/** A snapshot and a path in it, from `ID[:PATH]`. */
export interface Target {
  readonly snapshot: string
  /** As written; undefined without a colon. */
  readonly path: string | undefined
}

/** Takes `ID[:PATH]` apart; what a snapshot is called may stand in place of its id. @throws UsageError where there is neither */
export function parseTarget(text: string): Target {
  const colon = text.indexOf(':')
  const snapshot = colon < 0 ? text : text.slice(0, colon)
  const isId = /^(?:[0-9a-f]{1,32}|latest(?:~\d+)?)$/i.test(snapshot)
  // What looks like a path is one, whose snapshot was left out.
  if (!isId && (snapshot === '' || /\/|^\.|^latest~/.test(snapshot)))
    throw new UsageError(
      `'${text}' does not name a snapshot`,
      'Write the first digits of its id, `latest` or `latest~2`, and a path after a colon: 9abc3294:etc/hosts',
    )
  return { snapshot: isId ? snapshot.toLowerCase() : snapshot, path: colon < 0 ? undefined : text.slice(colon + 1) }
}

/** Takes names of whole snapshots. @throws UsageError for one with a path, which `why` explains */
export function parseSnapshots(texts: readonly string[], why: string): string[] {
  return texts.map((text) => {
    const target = parseTarget(text)
    if (target.path) throw new UsageError(why, `Leave out the path: ${target.snapshot}`)
    return target.snapshot
  })
}

/**
 * The path inside a snapshot that a person means: relative to it, or absolute as it was when the backup was made
 * (`9abc3294:/home/me/notes` of a backup of `/home/me`).
 */
export async function pathIn(
  snapshot: Pick<Snapshot, 'sources' | 'stat'>,
  written: string | undefined,
): Promise<string> {
  const path = (written ?? '').replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '')
  if (path.startsWith('/')) {
    for (const source of snapshot.sources) {
      const root = source.root.replace(/\/$/, '')
      if (path === root) return (await fileThatWas(snapshot, source)) ?? source.at
      if (path.startsWith(`${root}/`)) return join(source.at, path.slice(root.length + 1))
    }
  }
  return join('', path.replace(/^\//, ''))
}

/** The path of the file that a source was, where it was one: it is alone in a folder of which nothing is known. */
async function fileThatWas(
  snapshot: Pick<Snapshot, 'stat'>,
  { at, root }: Snapshot['sources'][number],
): Promise<string | undefined> {
  // What cannot be read is told where it is used.
  const stat = (path: string) => snapshot.stat(path).catch(() => undefined)
  const folder = await stat(at)
  if (folder === undefined || folder.mode !== undefined || folder.mtime !== undefined) return undefined
  const path = join(at, root.slice(root.lastIndexOf('/') + 1))
  return (await stat(path))?.type === 'file' ? path : undefined
}

/** Where a path of a snapshot was when the backup was made, for people. */
export function originOf(snapshot: Pick<Snapshot, 'sources'> | undefined, path: string): string {
  for (const source of snapshot?.sources ?? []) {
    if (source.at === '' || path === source.at || path.startsWith(`${source.at}/`)) {
      const below = source.at === '' ? path : path.slice(source.at.length + 1)
      return below === '' ? source.root : `${source.root.replace(/\/$/, '')}/${below}`
    }
  }
  return path === '' ? '.' : path
}

function join(folder: string, path: string): string {
  // `.` segments are what shells complete to; `..` never is part of a path in a snapshot.
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  return [...(folder === '' ? [] : [folder]), ...segments].join('/')
}
