/** A part of a pattern for one name. */
export type GlobToken =
  | { readonly kind: 'text'; readonly text: string }
  /** `?`: one character. */
  | { readonly kind: 'one' }
  /** `*`: any number of characters. */
  | { readonly kind: 'any' }
  /** `[…]`: one of some characters. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly holds: (code: number) => boolean }

/**
 * A test for whether a name matches. It takes time in proportion to the lengths of both, multiplied, whatever they are: patterns may come from
 * files that a stranger wrote.
 */
export function globTest(tokens: readonly GlobToken[], ignoreCase: boolean): (name: string) => boolean {
  const folded = ignoreCase ? tokens.map(foldToken) : tokens
  const test = quickTest(joined(folded))
  return ignoreCase ? (name) => test(fold(name)) : test
}

/**
 * Reads what follows a `[`, up to its `]`; undefined where it has none or names an unknown class, and so matches nothing. As wildmatch.c in git
 * has it: `!` and `^` negate, a `]` at the beginning is itself, `\` escapes, and no class matches a slash.
 */
export function parseClass(
  pattern: string,
  start: number,
): { readonly token: GlobToken & { readonly kind: 'class' }; readonly end: number } | undefined {
  let at = start
  const negated = pattern[at] === '!' || pattern[at] === '^'
  if (negated) at++
  const tests: ((code: number) => boolean)[] = []
  const take = (): number | undefined => {
    const code = pattern.codePointAt(at)
    if (code !== undefined) at += code > 0xffff ? 2 : 1
    return code
  }
  const takeEscaped = (): number | undefined => {
    const code = take()
    return code === backslash ? take() : code
  }
  let before: number | undefined
  for (let first = true; ; first = false) {
    if (at >= pattern.length) return undefined
    if (pattern[at] === ']' && !first) break
    const named = /^\[:([^\]]*):\]/.exec(pattern.slice(at, at + longestClass))
    const ranges = pattern[at] === '-' && before !== undefined && at + 1 < pattern.length && pattern[at + 1] !== ']'
    if (ranges) {
      at++
      const [low, high] = [before!, takeEscaped()]
      if (high === undefined) return undefined
      tests.push((code) => code >= low && code <= high)
      before = undefined
    } else if (named !== null) {
      const expression = characterClasses[named[1]!]
      if (expression === undefined) return undefined
      tests.push((code) => code < 0x80 && expression.test(String.fromCharCode(code)))
      at += named[0].length
      before = undefined
    } else {
      const one = takeEscaped()
      if (one === undefined) return undefined
      tests.push((code) => code === one)
      before = one
    }
  }
  return { token: { kind: 'class', negated, holds: (code) => tests.some((test) => test(code)) }, end: at + 1 }
}

const backslash = 0x5c

// [:xdigit:] is the longest that is known; what is longer is looked at only so far.
const longestClass = 64

/** Of ASCII, as in git. */
const characterClasses: Readonly<Record<string, RegExp>> = {
  alnum: /[a-z0-9]/i,
  alpha: /[a-z]/i,
  blank: /[ \t]/,
  cntrl: /[^ -~]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9a-f]/i,
}

function joined(tokens: readonly GlobToken[]): GlobToken[] {
  const merged: GlobToken[] = []
  for (const token of tokens) {
    const last = merged.at(-1)
    if (token.kind === 'text' && last?.kind === 'text')
      merged[merged.length - 1] = { kind: 'text', text: last.text + token.text }
    else merged.push(token)
  }
  return merged
}

/** Most patterns are a name, or a name with a star before or after it. */
function quickTest(tokens: readonly GlobToken[]): (name: string) => boolean {
  const [first, second] = tokens
  if (tokens.length === 1 && first?.kind === 'text') return (name) => name === first.text
  if (tokens.length === 1 && first?.kind === 'any') return () => true
  if (tokens.length === 2 && first?.kind === 'any' && second?.kind === 'text')
    return (name) => name.endsWith(second.text)
  if (tokens.length === 2 && first?.kind === 'text' && second?.kind === 'any')
    return (name) => name.startsWith(first.text)
  return (name) => globMatches(tokens, name)
}

/** Only the last star has to be tried again: what an earlier one took can only leave less to what follows. */
function globMatches(tokens: readonly GlobToken[], name: string): boolean {
  let at = 0
  let next = 0
  let again: { readonly next: number; at: number } | undefined
  while (at < name.length || next < tokens.length) {
    const token = tokens[next]
    if (token?.kind === 'any') {
      again = { next: ++next, at }
      continue
    }
    const end = token === undefined ? undefined : endOf(token, name, at)
    if (end !== undefined) {
      at = end
      next++
    } else if (again !== undefined && again.at < name.length) {
      again.at += lengthAt(name, again.at)
      at = again.at
      next = again.next
    } else return false
  }
  return true
}

/** Where a token that matches at `at` ends. */
function endOf(token: Exclude<GlobToken, { kind: 'any' }>, name: string, at: number): number | undefined {
  if (token.kind === 'text') return name.startsWith(token.text, at) ? at + token.text.length : undefined
  if (at >= name.length) return undefined
  if (token.kind === 'class' && token.holds(name.codePointAt(at)!) === token.negated) return undefined
  return at + lengthAt(name, at)
}

function lengthAt(name: string, at: number): number {
  return name.codePointAt(at)! > 0xffff ? 2 : 1
}

function foldToken(token: GlobToken): GlobToken {
  if (token.kind === 'text') return { kind: 'text', text: fold(token.text) }
  if (token.kind !== 'class') return token
  const { holds } = token
  const upper = (code: number): number => String.fromCodePoint(code).toUpperCase().codePointAt(0)!
  return { ...token, holds: (code) => holds(code) || holds(upper(code)) }
}

/** Folds case character by character: `toLowerCase` makes of a Σ at the end of a word something else than of others. */
function fold(text: string): string {
  if (ascii.test(text)) return text.toLowerCase()
  let folded = ''
  for (const character of text) {
    const lower = character.toUpperCase().toLowerCase()
    folded += [...lower].length === 1 ? lower : character
  }
  return folded
}

const ascii = /^[\0-\x7f]*$/
