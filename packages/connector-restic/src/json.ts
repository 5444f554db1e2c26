import type { KlosetErrorCode } from 'kloset/connector'
import { damaged } from './errors.js'

/** A JSON object of which nothing is known yet. */
export type Fields = Readonly<Record<string, unknown>>

/** The JSON object in `bytes`. @throws KlosetError of `code` that calls it `object` */
export function jsonOf(code: KlosetErrorCode, object: string, bytes: Uint8Array): Fields {
  try {
    const value: unknown = JSON.parse(exactNumbers(decoder.decode(bytes)))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  } catch (cause) {
    throw damaged(code, object, 'it is not JSON', cause)
  }
  throw damaged(code, object, 'it is not a JSON object')
}

/** The fields of a value; none where it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

/** The items of a value; none where it is no list. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A value as text; empty where it is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Turns whole numbers that may be beyond what a number holds exactly, such as inodes of some file systems, into texts. In a text of JSON the quote
 * before the colon would be escaped, so only fields match.
 */
function exactNumbers(json: string): string {
  return json.replace(/"([a-z_]+)":(\d{16,20})(?=[,}])/g, '"$1":"$2"')
}
