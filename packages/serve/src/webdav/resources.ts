import mime from 'mime'
import type { Inside, Item } from '../shelf/shelf.js'

/** An item as WebDAV knows things: a folder, or a file with a size. */
export interface Resource {
  readonly names: readonly string[]
  readonly item: Item
  readonly folder: boolean
  readonly modified: Date
  readonly created: Date | undefined
  /** Of a file. */
  readonly file: FileFacts | undefined
}

/** What is known of a file without opening it. */
export interface FileFacts {
  readonly inside: Inside
  readonly size: number
  readonly type: string
  /** The same for the same bytes, in whichever snapshot; undefined where they were not stored. */
  readonly etag: string | undefined
  readonly executable: boolean
}

/**
 * What WebDAV shows of an item; undefined for links, devices and what else it has no notion of.
 */
export function resourceOf(names: readonly string[], item: Item): Resource | undefined {
  if (item.kind === 'group')
    return { names, item, folder: true, modified: item.time, created: undefined, file: undefined }
  const { snapshot } = item
  if (item.kind !== 'entry')
    return { names, item, folder: true, modified: snapshot.time, created: snapshot.time, file: undefined }
  const { entry } = item
  const folder = entry.type === 'directory'
  if (!folder && entry.type !== 'file') return undefined
  const modified = dateOf(entry.mtime) ?? snapshot.time
  const created = dateOf(entry.birthtime)
  if (folder) return { names, item, folder, modified, created, file: undefined }
  const file = {
    inside: item,
    size: entry.contentSize ?? entry.size ?? 0,
    type: mime.getType(names.at(-1) ?? '') ?? 'application/octet-stream',
    etag: entry.contentId && `"${entry.contentId}"`,
    executable: ((entry.mode ?? 0) & 0o111) !== 0,
  }
  return { names, item, folder, modified, created, file }
}

/** Nanoseconds as a date; undefined where HTTP cannot write it. */
function dateOf(nanoseconds: bigint | undefined): Date | undefined {
  if (nanoseconds === undefined) return undefined
  const date = new Date(Number(nanoseconds / 1_000_000n))
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? date : undefined
}
