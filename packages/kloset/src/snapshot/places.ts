import { type Bytes, fromHex } from '../bytes/index.js'
import { checkPath, comparePaths, safeSegment } from '../connector/index.js'
import type { SnapshotRecord, SourceRecord } from '../log/index.js'

/** A source of a snapshot and the folder its entries are in: `''` where it is the only one. */
export interface Place {
  readonly at: string
  readonly source: SourceRecord
}

/** The id of a place's tree. */
export function treeOf(place: Place): Bytes {
  return fromHex(place.source.tree)
}

/** The sources of a snapshot with their folders, in path order. Each folder has the last name of the source's root. */
export function placesOf(record: SnapshotRecord): readonly Place[] {
  const { sources } = record
  if (sources.length === 1) return [{ at: '', source: sources[0]! }]
  const taken = new Set<string>()
  return sources
    .map((source) => {
      const name = nameOf(source)
      let at = name
      for (let i = 2; taken.has(at); i++) at = `${name}-${i}`
      taken.add(at)
      return { at, source }
    })
    .sort((a, b) => comparePaths(a.at, b.at))
}

/** A place and what of it a path means; undefined in `place` for the folder that holds all of them. */
export function placeOf(
  places: readonly Place[],
  path: string,
): { readonly place: Place | undefined; readonly inside: string } | undefined {
  const only = places[0]
  if (only !== undefined && only.at === '') return { place: only, inside: path }
  if (path === '') return { place: undefined, inside: '' }
  for (const place of places) {
    if (path === place.at) return { place, inside: '' }
    if (path.startsWith(`${place.at}/`)) return { place, inside: path.slice(place.at.length + 1) }
  }
  return undefined
}

/** A path below a folder. */
export function below(folder: string, path: string): string {
  if (folder === '') return path
  return path === '' ? folder : `${folder}/${path}`
}

function nameOf({ root, type }: SourceRecord): string {
  const last = root.split(/[/\\]/).findLast((segment) => segment !== '')
  // A snapshot is not trusted: what it says must not lead out of where it is restored to.
  return [last, type].find((name) => name !== undefined && isName(name)) ?? 'source'
}

function isName(segment: string): boolean {
  try {
    return safeSegment(checkPath(segment))
  } catch {
    return false
  }
}
