import { compilePatterns, type PatternRule, type Verdict } from '../filter/index.js'
import type { Patterns } from './selected.js'

/**
 * Patterns with the meaning of gitignore(5), where what matches is left out and `!` takes; below a directory that is left out, nothing is taken.
 * Where the first of them takes, all that none of them speaks of is left out, too: then they say what is wanted.
 */
export function restorePatterns(patterns: readonly (string | PatternRule)[], root: string | undefined): Patterns {
  return new OrderedPatterns(patterns, root)
}

/** What is known of a directory, for what is in it: `open` is left out, and something in it may be taken. */
type Standing = 'taken' | 'excluded' | 'open'

class OrderedPatterns implements Patterns {
  readonly #verdict: ReturnType<typeof compilePatterns>
  // Whether a directory is on the way to what a pattern may take; undefined: any is.
  readonly #leads: ReturnType<typeof compilePatterns> | undefined
  readonly #atFirst: Standing
  // Siblings come one after the other.
  #last: { readonly directory: string; readonly standing: Standing } | undefined

  constructor(patterns: readonly (string | PatternRule)[], root: string | undefined) {
    const rules = patterns.map((each) => (typeof each === 'string' ? { pattern: each } : each))
    this.#verdict = compilePatterns(rules, root)
    this.#atFirst = rules[0]?.pattern.startsWith('!') === true ? 'open' : 'taken'
    const leads = rules.filter(({ pattern }) => pattern.startsWith('!')).map((rule) => leadsTo(rule))
    if (leads.every((each) => each !== undefined)) this.#leads = compilePatterns(leads.flat(), root)
  }

  takes(path: string, isDirectory: boolean): boolean {
    return this.#standingOf(path, isDirectory) === 'taken'
  }

  enters(directory: string): boolean {
    const standing = this.#standingOf(directory, true)
    if (standing !== 'open') return standing === 'taken'
    return this.#leads === undefined || this.#leads(directory, 'directory') !== undefined
  }

  #standingOf(path: string, isDirectory: boolean): Standing {
    const above = this.#above(path)
    if (above === 'excluded') return above
    const verdict: Verdict | undefined = this.#verdict(path, isDirectory ? 'directory' : 'file')
    if (verdict === undefined) return above
    return verdict.excluded ? 'excluded' : 'taken'
  }

  #above(path: string): Standing {
    const slash = path.lastIndexOf('/')
    if (slash < 0) return this.#atFirst
    const directory = path.slice(0, slash)
    if (this.#last?.directory !== directory) this.#last = { directory, standing: this.#standingOf(directory, true) }
    return this.#last.standing
  }
}

/**
 * Patterns for the directories that lead to what a pattern matches; undefined where those may be any: it matches at any depth, or its segments
 * are not told apart by slashes alone.
 */
function leadsTo({ pattern, ...rule }: PatternRule): PatternRule[] | undefined {
  const body = pattern.slice(1).replace(/\/$/, '')
  if (!body.includes('/') || /[[\\]/.test(body)) return undefined
  const segments = body.replace(/^\//, '').split('/').slice(0, -1)
  const patterns: string[] = []
  for (const [i, segment] of segments.entries()) {
    const before = segments.slice(0, i).join('/')
    // Any number of directories: whatever is below those before it.
    if (/^\*{2,}$/.test(segment))
      return before === '' ? undefined : [...patterns, `/${before}/**`].map((each) => ({ ...rule, pattern: each }))
    patterns.push(`/${segments.slice(0, i + 1).join('/')}/`)
  }
  return patterns.map((each) => ({ ...rule, pattern: each }))
}
