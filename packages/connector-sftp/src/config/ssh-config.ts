import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { KlosetError } from 'kloset/connector'
import { matchesPattern } from '../hosts/pattern.js'

/**
 * What OpenSSH's client configuration says of a host (ssh_config(5)): the first value of each keyword, in lower case, whose `Host` block
 * matches; of `identityfile`, all. Blocks of `Match` count only where they say `all`: the rest of their conditions needs a client.
 */
export type HostConfig = ReadonlyMap<string, readonly string[]>

/**
 * Reads the user's and the system's configuration, or the given file alone, which has to be there.
 * @throws KLOSET_DENIED for a file of the user's that others can write to: it says which server is meant, and how to get there
 */
export function readSshConfig(host: string, file?: string): HostConfig {
  const found = new Map<string, string[]>()
  const read = (path: string, how: Pick<Search, 'ours' | 'required'>): void => {
    const search = { host, found, folder: dirname(path), depth: 0, ...how }
    collect(textOf(path, search), search)
  }
  if (file !== undefined) read(file, { ours: true, required: true })
  else {
    read(join(homedir(), '.ssh', 'config'), { ours: true, required: false })
    read('/etc/ssh/ssh_config', { ours: false, required: false })
  }
  return found
}

interface Search {
  readonly host: string
  readonly found: Map<string, string[]>
  /** What relative names in `Include` are relative to. */
  readonly folder: string
  readonly depth: number
  /** Whether it is the user's own, and not the system's. */
  readonly ours: boolean
  /** Whether it has to be there. */
  readonly required: boolean
}

// As OpenSSH: files that include each other come to an end.
const deepest = 16

function collect(text: string, search: Search): void {
  let active = true
  for (const [keyword, values] of statements(text)) {
    if (keyword === 'host') active = matchesHost(search.host, values)
    else if (keyword === 'match') active = values.length === 1 && values[0]!.toLowerCase() === 'all'
    else if (!active) continue
    else if (keyword === 'include') include(values, search)
    else if (keyword === 'identityfile') search.found.set(keyword, [...(search.found.get(keyword) ?? []), ...values])
    else if (!isDecided(keyword, search.found)) search.found.set(keyword, values)
  }
}

/** The two ways through another host compete: the one that is named first wins, also with `none`. */
function isDecided(keyword: string, found: HostConfig): boolean {
  const rivals = ['proxyjump', 'proxycommand']
  return rivals.includes(keyword) ? rivals.some((each) => found.has(each)) : found.has(keyword)
}

function include(patterns: readonly string[], search: Search): void {
  if (search.depth >= deepest) return
  for (const pattern of patterns)
    for (const file of filesLike(expandHome(pattern), search.folder))
      collect(textOf(file, { ...search, required: false }), { ...search, depth: search.depth + 1 })
}

/** `~/x` below the home folder. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** Whether `host` matches one of the patterns, and none that is negated. */
function matchesHost(host: string, patterns: readonly string[]): boolean {
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(host, pattern.slice(1)))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(host, pattern))
}

/** `Keyword value value`, `Keyword=value`, values in quotes. */
function* statements(text: string): Generator<[string, string[]]> {
  for (const whole of text.split('\n')) {
    // Line ends of Windows, and form feeds, as OpenSSH strips them.
    const line = whole.replace(/[ \t\r\f]+$/, '')
    // A command is everything behind its name, with its quotes.
    const [, command] = /^\s*proxycommand(?:\s*=\s*|\s+)(.*)$/i.exec(line) ?? []
    if (command !== undefined) {
      yield ['proxycommand', [command]]
      continue
    }
    const [, keyword, rest] = /^\s*([a-z]\w*)(?:\s*=\s*|\s+)(.*)$/i.exec(line) ?? []
    if (keyword === undefined) continue
    const values = Array.from(rest!.matchAll(/"([^"]*)"|[^\s"#][^\s"]*|(#.*)/g), ([word, quoted, comment]) =>
      comment === undefined ? (quoted ?? word) : undefined,
    )
    yield [keyword.toLowerCase(), values.filter((value) => value !== undefined)]
  }
}

function filesLike(pattern: string, folder: string): string[] {
  const path = isAbsolute(pattern) ? pattern : join(folder, pattern)
  if (!/[*?]/.test(basename(path))) return [path]
  try {
    const names = readdirSync(dirname(path)).filter((name) => matchesPattern(name, basename(path)))
    return names.sort().map((name) => join(dirname(path), name))
  } catch {
    return []
  }
}

/** What is in a file; nothing where it cannot be read and need not be there. */
function textOf(path: string, { ours, required }: Pick<Search, 'ours' | 'required'>): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (cause) {
    if (!required) return ''
    throw new KlosetError(
      'KLOSET_CONNECTOR',
      `cannot read the SSH configuration ${path}: ${(cause as Error).message}`,
      {
        hint: 'Check the option ssh-config; none is for no configuration.',
        context: { path },
        cause,
      },
    )
  }
  try {
    const info = fstatSync(file)
    if (info.isDirectory()) return ''
    if (ours && process.platform !== 'win32' && isChangedByOthers(info)) throw notOursAlone(path)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

// As OpenSSH judges it.
function isChangedByOthers({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  return (uid !== 0 && uid !== process.geteuid?.()) || (mode & 0o022) !== 0
}

function notOursAlone(path: string): KlosetError {
  return new KlosetError('KLOSET_DENIED', `others can change the SSH configuration ${path}`, {
    hint: `Make it yours alone: chmod go-w ${path}, and chown it if it is another user's.`,
    context: { path },
  })
}
