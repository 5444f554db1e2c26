import { utf8 } from '../bytes/index.js'

/** The most bytes of a tag, and of a name. */
const mostTagBytes = 128
const mostNameBytes = 256

/** A snapshot has at most so many tags. */
export const mostTags = 100

/** What is wrong with a text as a tag of a snapshot; undefined where nothing is. A comma stands between tags wherever they are listed. */
export function faultOfTag(tag: string): string | undefined {
  if (tag.includes(',')) return 'a tag holds no comma'
  return faultOf(tag, 'a tag', mostTagBytes)
}

/** What is wrong with a text as the name of a snapshot; undefined where nothing is. */
export function faultOfName(name: string): string | undefined {
  if (/^latest(?:~\d*)?$/i.test(name)) return '`latest` always means the newest snapshot'
  if (/^[0-9a-f]{32}$/i.test(name)) return 'it looks like the id of a snapshot'
  return faultOf(name, 'a name', mostNameBytes)
}

/** @throws RangeError for what a snapshot cannot be given */
export function checkLabels({ tags = [], name }: { readonly tags?: readonly string[]; readonly name?: string }): void {
  const fault =
    tags.map(faultOfTag).find((each) => each !== undefined) ?? (name === undefined ? undefined : faultOfName(name))
  if (fault !== undefined) throw new RangeError(fault)
  if (new Set(tags).size > mostTags) throw new RangeError(`a snapshot has at most ${mostTags} tags`)
}

/** The tags of another program, as far as a snapshot can have them: what a tag cannot hold becomes a hyphen, and what is too much is left out. */
export function tagsLike(tags: readonly string[]): string[] {
  const legal = tags.map((tag) => {
    const points = [...tag.replace(/[,\p{Cc}\p{Cs}\u2028\u2029]/gu, '-')].slice(0, mostTagBytes)
    while (utf8(points.join('')).length > mostTagBytes) points.pop()
    return points.join('').trim()
  })
  return [...new Set(legal)].filter((tag) => faultOfTag(tag) === undefined).slice(0, mostTags)
}

function faultOf(text: string, what: string, most: number): string | undefined {
  if (text === '') return `${what} is not empty`
  if (text.trim() !== text) return `${what} neither begins nor ends with a space`
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text)) return `${what} holds no control characters`
  return utf8(text).length > most ? `${what} has at most ${most} bytes` : undefined
}
