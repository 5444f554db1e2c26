import type { EntryType } from '../connector/index.js'
import { compilePattern, type Pattern, type PatternReading } from './pattern.js'
import { type PatternRule, patternRule } from './rules.js'

/**
 * A function that tells what the last pattern that matches says of a path; undefined where none does. Each path is judged by itself: that
 * nothing is taken below a directory that is excluded is for who goes through the tree, see `compileFilter`. `root` is where the paths start from,
 * for patterns that are absolute paths.
 */
export function compilePatterns(
  patterns: readonly (string | PatternRule)[],
  root?: string,
): (path: string, type: EntryType) => Verdict | undefined {
  const list = new PatternList(patterns, root === undefined ? [] : rootsIn([root]))
  return (path, type) => list.verdict(new Subject(path, type === 'directory'))
}

/** The segments of those roots that are absolute paths. */
export function rootsIn(roots: readonly string[]): readonly (readonly string[])[] {
  return roots.filter((root) => root.startsWith('/')).map(segmentsOf)
}

/** A path that patterns are asked about. */
export class Subject {
  readonly path: string
  readonly isDirectory: boolean
  #segments: readonly string[] | undefined

  constructor(path: string, isDirectory: boolean) {
    this.path = path
    this.isDirectory = isDirectory
  }

  get name(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1)
  }

  get segments(): readonly string[] {
    this.#segments ??= this.path.split('/')
    return this.#segments
  }
}

/** What a list of patterns says of a path. */
export interface Verdict {
  readonly excluded: boolean
  /** The pattern that decided. */
  readonly rule: PatternRule
}

/** Patterns in the order in which they were given. */
export class PatternList {
  // Thousands of plain names cost no more than one.
  readonly #names = new Map<string, Numbered[]>()
  readonly #others: Numbered[] = []
  readonly #depth: number

  /** `depth`: how many segments the directory has that the patterns start from. */
  constructor(patterns: readonly (string | PatternRule)[], roots: PatternReading['roots'] = [], depth = 0) {
    this.#depth = depth
    for (const [number, each] of patterns.entries()) {
      const rule = patternRule(each)
      const pattern = compilePattern(rule.pattern, { ignoreCase: rule.ignoreCase, roots })
      const numbered: Numbered = { number, pattern, verdict: { excluded: !pattern.negated, rule } }
      if (pattern.name === undefined) this.#others.push(numbered)
      else {
        const same = this.#names.get(pattern.name)
        if (same === undefined) this.#names.set(pattern.name, [numbered])
        else same.push(numbered)
      }
    }
  }

  get isEmpty(): boolean {
    return this.#names.size === 0 && this.#others.length === 0
  }

  /** What the last pattern that matches says; undefined where none does. Of what is above the path they are not asked. */
  verdict(subject: Subject): Verdict | undefined {
    const fits = ({ pattern }: Numbered): boolean => subject.isDirectory || !pattern.directoriesOnly
    const named = this.#names.size === 0 ? undefined : this.#names.get(subject.name)?.findLast(fits)
    for (let i = this.#others.length - 1; i >= 0; i--) {
      const other = this.#others[i]!
      if (named !== undefined && other.number < named.number) break
      if (fits(other) && other.pattern.matches(subject.segments, this.#depth)) return other.verdict
    }
    return named?.verdict
  }
}

interface Numbered {
  readonly number: number
  readonly pattern: Pattern
  readonly verdict: Verdict
}

/** The names in an absolute path. */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '')
}
