import type { Requests, Store } from 'kloset'
import { bytes, count } from './bytes.js'
import type { JsonLine } from './json.js'
import { harmless } from './names.js'

/** What was asked of a store's storage, in one line for `--verbose`. */
export function requestsLine({ location, requests }: Pick<Store, 'location' | 'requests'>): string {
  const asked = kinds.filter((kind) => requests[kind] > 0).map((kind) => `${count(requests[kind])} ${kind}`)
  const moved = `${bytes(requests.downloaded)} read, ${bytes(requests.uploaded)} written`
  return `requests to ${harmless(location)}: ${asked.join(', ') || 'none'}; ${moved}`
}

/** The same for `--json`. */
export function requestsJson({ location, requests }: Pick<Store, 'location' | 'requests'>): JsonLine {
  return { type: 'requests', location, ...requests }
}

const kinds = ['put', 'get', 'stat', 'list', 'remove', 'usage'] as const satisfies readonly (keyof Requests)[]
