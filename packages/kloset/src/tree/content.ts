import type { Bytes } from '../bytes/index.js'
import { ByteReader, ByteWriter, MalformedError } from '../bytes/index.js'
import { orCorrupt } from './corrupt.js'
import { addLengths, type Extent, readExtents, writeExtents } from './extent.js'
import { idBytes, maxLevel } from './limits.js'

/** The list of a huge file's extents: its root node. */
export interface ListRoot {
  readonly id: Uint8Array
  readonly level: number
  /** Bytes of the file. */
  readonly length: number
  /** How many extents there are. */
  readonly count: number
}

/**
 * What is in an entry: nothing (a directory, a file that could not be read), up to 16 extents (none for an empty file), or a list
 * of more.
 */
export type StoredContent =
  | { readonly form: 'none' }
  | { readonly form: 'extents'; readonly extents: readonly Extent[] }
  | ({ readonly form: 'list' } & ListRoot)

/** The encoding of the content of an entry that has none. */
export const noContent: Bytes = Uint8Array.of(0)

/** The encoding of a content. See {@link writeContent}. */
export function encodeContent(content: StoredContent): Bytes {
  const writer = new ByteWriter()
  writeContent(writer, content)
  return writer.finish()
}

/** Writes a content. @throws RangeError for more than 16 extents and for lengths beyond what the format has. */
export function writeContent(writer: ByteWriter, content: StoredContent): void {
  writer.u8(forms.indexOf(content.form))
  if (content.form === 'extents') writeExtents(writer, content.extents)
  else if (content.form === 'list') {
    writer.bytes(content.id)
    writer.u8(content.level)
    writer.varint(content.length)
    writer.varint(content.count)
  }
}

/** What {@link writeContent} wrote. Nothing of it shares memory with `bytes`. @throws KlosetError KLOSET_TREE_CORRUPT */
export function decodeContent(bytes: Uint8Array): StoredContent {
  return orCorrupt('the content of an entry is damaged', undefined, () => {
    // One copy for all ids: they may be kept long after the node they are in.
    const reader = new ByteReader(bytes.slice())
    const content = readContent(reader)
    reader.end()
    return content
  })
}

/** Bytes of what a content stands for: the length of the file. */
export function contentLength(content: StoredContent): number {
  if (content.form === 'none') return 0
  if (content.form === 'list') return content.length
  return content.extents.reduce((sum, extent) => sum + extent.length, 0)
}

const forms: readonly StoredContent['form'][] = ['none', 'extents', 'list']

function readContent(reader: ByteReader): StoredContent {
  const form = forms[reader.u8()]
  switch (form) {
    case 'none':
      return { form }
    case 'extents': {
      const extents = readExtents(reader)
      extents.reduce((sum, extent) => addLengths(sum, extent.length), 0)
      return { form, extents }
    }
    case 'list': {
      const root = { id: reader.bytes(idBytes), level: reader.u8(), length: reader.varint(), count: reader.varint() }
      if (root.level > maxLevel) throw new MalformedError('a list has too many levels')
      // An extent has at least a byte, and a list more than one extent.
      if (root.count < 2 || root.count > root.length)
        throw new MalformedError('the counts of a list contradict each other')
      return { form, ...root }
    }
    default:
      throw new MalformedError('an unknown form of content')
  }
}
