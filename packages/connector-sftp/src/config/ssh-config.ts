import { readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { matchesPattern } from '../hosts/pattern.js'

/**
 * What OpenSSH's client configuration says of a host (ssh_config(5)): the first value of each keyword, in lower case, whose `Host` block
 * matches; of `identityfile`, all. Blocks of `Match` count only where they say `all`: the rest of their conditions needs a client.
 */
export type HostConfig = ReadonlyMap<string, readonly string[]>

/** Reads the user's and the system's configuration, or the given file alone; files that are not there say nothing. */
export function readSshConfig(host: string, file?: string): HostConfig {
  const found = new Map<string, string[]>()
  const places = file === undefined ? [join(homedir(), '.ssh', 'config'), '/etc/ssh/ssh_config'] : [file]
  for (const place of places) collect(readIfThere(place), { host, found, folder: dirname(place), depth: 0 })
  return found
}

interface Search {
  readonly host: string
  readonly found: Map<string, string[]>
  /** What relative names in `Include` are relative to. */
  readonly folder: string
  readonly depth: number
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
    else if (!search.found.has(keyword)) search.found.set(keyword, values)
  }
}

function include(patterns: readonly string[], search: Search): void {
  if (search.depth >= deepest) return
  for (const pattern of patterns)
    for (const file of filesLike(expandHome(pattern), search.folder))
      collect(readIfThere(file), { ...search, depth: search.depth + 1 })
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
  for (const line of text.split('\n')) {
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

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
