import { pathFromBytes } from '../connector/index.js'
import type { PatternRule } from './rules.js'

/** How {@link patternLines} reads. */
export interface PatternLinesOptions {
  /** What the file is called in {@link PatternRule.from}, to which the line is added. */
  readonly from: string
  readonly ignoreCase?: boolean | undefined
}

/**
 * The patterns in a file, one a line, as gitignore(5) has it: empty lines and those that begin with `#` are none, spaces at the end do not count
 * unless they are escaped, and a `#` or `!` at the beginning is escaped as `\#`, `\!`. The file is bytes, so that any name can be written in it.
 */
export function patternLines(file: Uint8Array, { from, ignoreCase }: PatternLinesOptions): PatternRule[] {
  const rules: PatternRule[] = []
  const lines = pathFromBytes(file)
    .replace(/^\ufeff/, '')
    .split('\n')
  for (const [index, line] of lines.entries()) {
    const pattern = withoutTrailingSpaces(line.replace(/\r$/, ''))
    if (pattern === '' || line.startsWith('#')) continue
    rules.push({ pattern, from: `${from}:${index + 1}`, ...(ignoreCase && { ignoreCase }) })
  }
  return rules
}

function withoutTrailingSpaces(line: string): string {
  let end = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '\\') at++
    if (line[at] !== ' ') end = at + 1
    else if (line[at - 1] === '\\') end = at + 1
  }
  return line.slice(0, end)
}
