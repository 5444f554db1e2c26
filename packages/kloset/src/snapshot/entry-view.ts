import type { SnapshotEntry } from '../api.js'
import { toHex } from '../bytes/index.js'
import { blake3 } from '../hash/index.js'
import {
  contentLength,
  decodeEntry,
  encodeContent,
  type RawEntry,
  type StoredContent,
  type StoredEntry,
} from '../tree/index.js'
import { below, type Place } from './places.js'

/** An entry as the public API shows it. Where its content is stays with it, so that it can be opened without being looked up again. */
export function entryView({ content, storedXattrs, ...entry }: StoredEntry): SnapshotEntry {
  const length = content.form === 'none' ? undefined : { contentSize: contentLength(content) }
  const long = storedXattrs === undefined ? undefined : { longXattrs: lengthsOf(storedXattrs) }
  return Object.assign(new EntryView(content), entry, length, long)
}

/** An entry of a place's tree as the public API shows it. */
export function entryViewAt(place: Place, raw: RawEntry): SnapshotEntry {
  return entryView(storedAt(place, raw))
}

/** An entry of a place's tree, with its path in the snapshot. */
export function storedAt(place: Place, raw: RawEntry): StoredEntry {
  const entry = decodeEntry(raw.key, raw.stat, raw.content)
  return place.at === '' ? entry : { ...entry, path: below(place.at, entry.path) }
}

/** The content of an entry that {@link entryView} made, as it is and not copied. */
export function contentOf(entry: SnapshotEntry): StoredContent | undefined {
  return EntryView.contentOf(entry)
}

class EntryView {
  readonly #content: StoredContent

  constructor(content: StoredContent) {
    this.#content = content
  }

  static contentOf(entry: object): StoredContent | undefined {
    return #content in entry ? entry.#content : undefined
  }

  /** Not with every entry that is listed: hardly anybody asks. */
  get contentId(): string | undefined {
    return this.#content.form === 'none' ? undefined : toHex(blake3(encodeContent(this.#content)).subarray(0, 16))
  }
}

function lengthsOf(stored: NonNullable<StoredEntry['storedXattrs']>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(stored).map(([name, extents]) => [name, contentLength({ form: 'extents', extents })]),
  )
}
