import { createHash } from 'node:crypto'

/**
 * The name of a folder for a text that anybody may have chosen, such as a host or a tag: what cannot be part of a name, and `%`, is written as
 * `%2F`. Two texts never have one name, and none is longer than file systems take.
 */
export function folderName(text: string): string {
  if (text === '') return '%'
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E')
  const name = text.replace(unfit, escaped)
  if (Buffer.byteLength(name) <= mostBytes) return name
  const digest = createHash('sha256').update(text).digest('hex')
  return `${[...name].slice(0, 50).join('')}%${digest.slice(0, 16)}`
}

/** The name of a folder for a time, in UTC and to the second, without colons, which not every system has in names: `2026-11-20T15-57-33Z`. */
export function timeName(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '-')
}

const mostBytes = 255

// With the u flag, only surrogates that stand alone match.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in a name.
const unfit = /[/\\%\u0000-\u001f\u007f-\u009f\u2028\u2029]|\p{Surrogate}/gu

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}
