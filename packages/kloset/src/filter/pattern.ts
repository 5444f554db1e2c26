import { type GlobToken, globTest, parseClass } from './glob.js'

/** A pattern of gitignore(5), compiled. */
export interface Pattern {
  /** `!`: what matches is taken. */
  readonly negated: boolean
  /** A slash at the end: only directories match. */
  readonly directoriesOnly: boolean
  /** Set for a pattern of one plain name at any depth, which a table finds faster. */
  readonly name: string | undefined
  /** Whether the segments of a path from `from` on match. */
  matches(segments: readonly string[], from: number): boolean
}

/** How {@link compilePattern} reads a pattern. */
export interface PatternReading {
  readonly ignoreCase?: boolean | undefined
  /** The segments of absolute paths of the source's root, of which patterns that start with `/` may speak; none where it has none. */
  readonly roots?: readonly (readonly string[])[] | undefined
}

/** Compiles a pattern. One that cannot match anything, such as `[a`, is fine and matches nothing. */
export function compilePattern(text: string, { ignoreCase = false, roots = [] }: PatternReading = {}): Pattern {
  const negated = text.startsWith('!')
  let body = negated ? text.slice(1) : text
  const directoriesOnly = body.endsWith('/')
  if (directoriesOnly) body = body.slice(0, -1)
  const anchored = body.includes('/')
  const absolute = body.startsWith('/')
  const segments = segmentsOf(absolute ? body.slice(1) : body)
  const about = { negated, directoriesOnly }
  if (segments === undefined) return { ...about, name: undefined, matches: () => false }
  const tests = (of: readonly Segment[]): Test[] =>
    of.map((each) => (each === anyDepth ? each : globTest(each, ignoreCase)))
  if (!anchored) {
    const [test] = tests(segments)
    if (test === undefined || test === anyDepth) return { ...about, name: undefined, matches: () => test === anyDepth }
    const name = ignoreCase ? undefined : literalOf(segments[0]!)
    return { ...about, name, matches: (path) => test(path.at(-1)!) }
  }
  const below = absolute ? roots.flatMap((root) => belowRoot(segments, root)) : []
  const compiled = (below.length > 0 ? below : [segments]).map(tests)
  return { ...about, name: undefined, matches: (path, from) => compiled.some((each) => matchesFrom(each, path, from)) }
}

/** `**` between slashes: any number of directories. */
const anyDepth = 'any depth'

type Segment = readonly GlobToken[] | typeof anyDepth
type Test = ((segment: string) => boolean) | typeof anyDepth

/** The segments of a pattern, undefined where it cannot match. A slash inside of brackets does not part segments: gitignore(5). */
function segmentsOf(pattern: string): Segment[] | undefined {
  const segments: Segment[] = []
  let tokens: GlobToken[] = []
  let start = 0
  const part = (end: number): void => {
    segments.push(/^\*{2,}$/.test(pattern.slice(start, end)) ? anyDepth : tokens)
    tokens = []
    start = end + 1
  }
  let at = 0
  while (at < pattern.length) {
    const character = String.fromCodePoint(pattern.codePointAt(at)!)
    at += character.length
    if (character === '/') part(at - 1)
    else if (character === '?') tokens.push({ kind: 'one' })
    else if (character === '*') {
      if (tokens.at(-1)?.kind !== 'any') tokens.push({ kind: 'any' })
    } else if (character === '[') {
      const parsed = parseClass(pattern, at)
      if (parsed === undefined) return undefined
      tokens.push(parsed.token)
      at = parsed.end
    } else if (character === '\\') {
      if (at === pattern.length) return undefined
      const escaped = String.fromCodePoint(pattern.codePointAt(at)!)
      at += escaped.length
      if (escaped === '/') {
        part(at - 2)
        start = at
      } else tokens.push({ kind: 'text', text: escaped })
    } else tokens.push({ kind: 'text', text: character })
  }
  part(at)
  return segments
}

function literalOf(segment: Segment): string | undefined {
  if (segment === anyDepth || !segment.every((token) => token.kind === 'text')) return undefined
  return segment.map((token) => (token.kind === 'text' ? token.text : '')).join('')
}

/**
 * What is left of an absolute pattern below the source's root, in each way it can be read; nothing where it does not speak of anything there.
 * Its first segment has to be the root's own name: `/*` and `/**` mean what is in the source.
 */
function belowRoot(pattern: readonly Segment[], root: readonly string[]): Segment[][] {
  return root.length === 0 || literalOf(pattern[0] ?? []) !== root[0] ? [] : remainders(pattern, root)
}

function remainders(pattern: readonly Segment[], root: readonly string[]): Segment[][] {
  if (root.length === 0) return [[...pattern]]
  const [first, ...rest] = pattern
  if (first === undefined) return []
  if (first === anyDepth) return [...remainders(rest, root), ...remainders(pattern, root.slice(1))]
  return globTest(first, false)(root[0]!) ? remainders(rest, root.slice(1)) : []
}

/** As for `*` in a name, only the last `**` has to be tried again: what an earlier one took can only leave less to what follows. */
function matchesFrom(pattern: readonly Test[], path: readonly string[], from: number): boolean {
  // What is left of a pattern that names the source's root itself: explicit targets are never excluded.
  if (pattern.length === 0) return false
  let at = from
  let next = 0
  let again: { readonly next: number; at: number } | undefined
  while (at < path.length || next < pattern.length) {
    const test = pattern[next]
    if (test === anyDepth) {
      // At the end it takes everything that is there, which must be something.
      if (next === pattern.length - 1) return at < path.length
      again = { next: ++next, at }
    } else if (test !== undefined && at < path.length && test(path[at]!)) {
      at++
      next++
    } else if (again !== undefined && again.at < path.length) {
      at = ++again.at
      next = again.next
    } else return false
  }
  return true
}
