import { compilePattern } from '../filter/index.js'

/** A pattern for names, as shells have them. */
export interface NamePattern {
  /** Whether it is held against the whole path, not only against the last name of it. */
  readonly path: boolean
  /** Only directories, as a slash at its end says. */
  readonly directory: boolean
  /** The folder that everything it names is in, from the root of the file system; undefined where that can be any. */
  readonly base: string | undefined
  /** Whether the segments of a path, or a last name alone, match: in time proportional to the lengths of both, whatever they are. */
  matches(segments: readonly string[]): boolean
}

/**
 * Compiles patterns: `*` and `?` for what is in a name, `**` for any number of folders, `[a-z]`, `{one,other}`; `\` takes the meaning of the
 * next character away. One with a slash at its start is anchored, one with a slash inside may start at any folder.
 * @throws TypeError for one that names nothing, has a range that ends before it starts, or stands for too many
 */
export function namePatterns(patterns: readonly string[], ignoreCase: boolean): readonly NamePattern[] {
  return patterns.flatMap((written) => {
    const [, start, middle, end] = /^(\/*)(.*?)(\/*)$/s.exec(written)!
    if (middle === '') throw new TypeError(`${JSON.stringify(written)} is not a pattern for names`)
    const reversed = reversedRange(middle!)
    if (reversed !== undefined)
      throw new TypeError(`${JSON.stringify(written)} is not a pattern for names: ${reversed} holds no character`)
    const alternatives = expandBraces(middle!)
    if (alternatives === undefined)
      throw new TypeError(`${JSON.stringify(written)} stands for more than ${mostAlternatives} patterns`)
    const anchored = start !== ''
    return alternatives.flatMap(withoutDepth).map((glob) => {
      const path = anchored || glob.includes('/')
      // A `!` is a plain character here, and a slash at the end was read already.
      const text = path ? `${anchored ? '/' : '**/'}${glob}` : glob.replace(/^!/, '\\!')
      const pattern = compilePattern(text, { ignoreCase })
      const base = anchored && !ignoreCase ? plainBase(glob) : undefined
      return { path, directory: end !== '', base, matches: (segments) => pattern.matches(segments, 0) }
    })
  })
}

/** What ends in `/**` names the folder itself, too. */
function withoutDepth(glob: string): readonly string[] {
  const folder = glob.replace(/(?:\/\*\*)+$/, '')
  return folder === glob || folder === '' ? [glob] : [glob, folder]
}

/** More than anybody writes by hand. */
const mostAlternatives = 1_000

/** The patterns that one with `{one,other}` stands for, nested ones too; undefined where they are too many. Braces that do not pair, or hold no comma, are plain. */
function expandBraces(glob: string): string[] | undefined {
  const done: string[] = []
  const waiting = [glob]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const found = firstBraces(next)
    if (found === undefined) done.push(next)
    else for (const part of found.parts.reverse()) waiting.push(found.before + part + found.after)
    if (done.length + waiting.length > mostAlternatives) return undefined
  }
  return done
}

/** The first pair of braces with a comma in it. */
function firstBraces(glob: string): { before: string; parts: string[]; after: string } | undefined {
  const open: { readonly at: number; readonly commas: number[] }[] = []
  let found: { readonly at: number; readonly commas: readonly number[]; readonly end: number } | undefined
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at]
    if (character === '\\') at++
    else if (character === '{') open.push({ at, commas: [] })
    else if (character === ',') open.at(-1)?.commas.push(at)
    else if (character === '}') {
      const pair = open.pop()
      if (pair !== undefined && pair.commas.length > 0 && (found === undefined || pair.at < found.at))
        found = { ...pair, end: at }
      if (open.length === 0 && found !== undefined) break
    }
  }
  if (found === undefined) return undefined
  const borders = [found.at, ...found.commas, found.end]
  const parts = borders.slice(1).map((border, i) => glob.slice(borders[i]! + 1, border))
  return { before: glob.slice(0, found.at), parts, after: glob.slice(found.end + 1) }
}

/** The first range in brackets that ends before it starts: a mistake, as it matches nothing. */
function reversedRange(glob: string): string | undefined {
  for (const [, inside] of glob.matchAll(/\[[!^]?(\]?[^\]]*)\]/g)) {
    for (const [range, low, high] of inside!.matchAll(/([^\\-])-([^\\\]])/gu)) if (low! > high!) return range
  }
  return undefined
}

/** The names that a pattern begins with as they are. */
function plainBase(glob: string): string {
  const segments = glob.split('/')
  const special = segments.findIndex((segment) => /[*?[\]\\]/.test(segment))
  return segments.slice(0, special < 0 ? segments.length : special).join('/')
}
