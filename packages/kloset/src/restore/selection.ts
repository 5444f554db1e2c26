import type { RestoreOptions } from '../api.js'
import { placeOf, type StoredSnapshot } from '../snapshot/index.js'
import { restorePatterns } from './patterns.js'
import type { Selection } from './selected.js'

/** What of a snapshot the options mean. */
export function selectionOf(
  snapshot: StoredSnapshot,
  { path = '', stripComponents = 0, patterns = [] }: Pick<RestoreOptions, 'path' | 'stripComponents' | 'patterns'>,
): Selection {
  return {
    path,
    strip: stripComponents,
    patterns: patterns.length === 0 ? undefined : restorePatterns(patterns, rootOf(snapshot, path)),
  }
}

/** Where a path was when the backup was made; undefined for a folder of several sources. */
function rootOf(snapshot: StoredSnapshot, path: string): string | undefined {
  const found = placeOf(snapshot.places, path)
  if (found?.place === undefined) return undefined
  const { root } = found.place.source
  return found.inside === '' ? root : `${root.replace(/\/$/, '')}/${found.inside}`
}
