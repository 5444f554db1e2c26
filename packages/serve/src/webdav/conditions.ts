import type { IncomingHttpHeaders } from 'node:http'

/** What a request may make its answer depend on. */
export interface Version {
  readonly etag: string | undefined
  readonly modified: Date
}

/** The part of a file that a request asks for, `end` not included. */
export interface Part {
  readonly start: number
  readonly end: number
}

/** What the conditions of a request come to (RFC 9110 §13): 304 and 412 instead of the answer, or undefined. */
export function statusByConditions(headers: IncomingHttpHeaders, { etag, modified }: Version): 304 | 412 | undefined {
  const match = headers['if-match']
  if (match !== undefined) {
    if (!names(match, etag)) return 412
  } else if (isAfter(modified, headers['if-unmodified-since'])) return 412
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) return names(noneMatch, etag) ? 304 : undefined
  const since = headers['if-modified-since']
  return since !== undefined && isAfter(modified, since) === false ? 304 : undefined
}

/**
 * The part that is asked for (RFC 9110 §14): undefined for all, also where several parts are asked for, which a server may answer with all; `none` where the file has no
 * such part. With If-Range, a part is given only of the very version that the client has the rest of.
 */
export function partOf(headers: IncomingHttpHeaders, size: number, { etag }: Version): Part | 'none' | undefined {
  const ifRange = headers['if-range']
  if (ifRange !== undefined && ifRange !== etag) return undefined
  const [, first = '', last = ''] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(headers.range ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Number(last)
    return length === 0 || size === 0 ? 'none' : { start: Math.max(0, size - length), end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'none'
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) }
}

/** Whether a list of tags has this one; `*` has every one. */
function names(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true
  return etag !== undefined && list.split(',').some((each) => each.trim().replace(/^W\//, '') === etag)
}

/** Whether something changed after a date, which HTTP writes in whole seconds; undefined where there is no date. */
function isAfter(modified: Date, date: string | undefined): boolean | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(date)
  return Number.isNaN(time) ? undefined : Math.floor(modified.getTime() / 1000) > Math.floor(time / 1000)
}
