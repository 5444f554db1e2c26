/**
 * A path as it may be shown on a terminal: as it is, or, where it holds control characters, bytes that are not UTF-8 or
 * characters that turn the writing direction, as `$'…'` with escapes, which bash, zsh and ksh read back.
 */
export function shown(path: string): string {
  if (!unsafe.test(path) && !path.startsWith("$'")) return path
  return `$'${path.replace(/['\\]/g, '\\$&').replace(everyUnsafe, escaped)}'`
}

/** A message as it may be shown on a terminal: what {@link shown} would escape is escaped in place. */
export function harmless(text: string): string {
  return text.replace(everyUnsafe, escaped)
}

/** How many columns a text takes on a terminal: two for East Asian wide characters and emoji, none for combining marks. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

/** The text cut to at most `width` columns; what is missing at its start is marked with `…`. */
export function lastColumns(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width < 1) return ''
  const kept: string[] = []
  let room = width - 1
  for (const character of [...text].reverse()) {
    room -= columnsOf(character)
    if (room < 0) break
    kept.unshift(character)
  }
  return `…${kept.join('')}`
}

// C0 and C1 controls, line and paragraph separators, direction marks and overrides, surrogates that stand alone (U+DC80–U+DCFF
// are bytes that are not UTF-8).
const pattern =
  '[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]|' +
  '[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]'
const unsafe = new RegExp(pattern)
const everyUnsafe = new RegExp(pattern, 'g')

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`
  if (code < 0x80) return named[character] ?? `\\x${code.toString(16).padStart(2, '0')}`
  return `\\u${code.toString(16).padStart(4, '0')}`
}

function columnsOf(character: string): number {
  if (/\p{Mark}/u.test(character)) return 0
  const code = character.codePointAt(0) ?? 0
  return wide.some(([from, to]) => code >= from && code <= to) ? 2 : 1
}

// The blocks that terminals draw double: Unicode Standard Annex 11, East Asian Width W and F.
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
]
