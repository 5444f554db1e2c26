import pLimit from 'p-limit'
import type { BlobIndex } from './blob-index.js'
import { damaged, isDamage } from './errors.js'
import { fieldsOf, itemsOf, textOf } from './json.js'
import { idPattern, idsBelow, type Layout } from './layout.js'
import type { Objects } from './objects.js'
import { indexPack } from './pack-header.js'

/**
 * Adds what the repository's index says. Old indexes are read too: `supersedes` only tells that they may go. One that is damaged is told, and costs nothing
 * where another says the same, or where {@link loadHeaders} finds out.
 */
export async function loadIndex(
  objects: Objects,
  layout: Layout,
  index: BlobIndex,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<void> {
  const ids = await idsBelow(objects.storage, layout.indexes, signal)
  await eachOf(ids, objects, async (id) => {
    const object = layout.indexes + id
    try {
      const fields = await objects.json(layout.indexes, id, 'KLOSET_INDEX_CORRUPT', signal)
      for (const pack of itemsOf(fields.packs)) addPack(object, pack, index)
    } catch (error) {
      if (!isDamage(error)) throw error
      warn(`${error.message}; what it tells is looked for in the packs`)
    }
  })
}

/** Adds what packs say that are in no index: what is damaged in the index, or came since it was read, is found by this. */
export async function loadHeaders(
  objects: Objects,
  layout: Layout,
  index: BlobIndex,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<void> {
  const { storage, keys } = objects
  const packs = await idsBelow(storage, layout.packs, signal)
  const unknown = packs.filter((pack) => !index.hasPack(pack))
  await eachOf(unknown, objects, async (pack) => {
    try {
      await indexPack(storage, keys, layout, pack, index, signal)
    } catch (error) {
      if (!isDamage(error)) throw error
      warn(error.message)
    }
  })
}

async function eachOf(
  ids: readonly string[],
  { storage }: Objects,
  work: (id: string) => Promise<void>,
): Promise<void> {
  const limit = pLimit(Math.max(1, storage.capabilities.concurrency))
  await Promise.all(ids.map((id) => limit(() => work(id))))
}

function addPack(object: string, value: unknown, index: BlobIndex): void {
  const { id, blobs } = fieldsOf(value)
  const pack = idOf(object, id)
  for (const blob of itemsOf(blobs)) {
    const { id: blobId, offset, length, uncompressed_length = 0 } = fieldsOf(blob)
    index.add(idOf(object, blobId), {
      pack,
      offset: lengthOf(object, offset),
      length: lengthOf(object, length),
      rawLength: lengthOf(object, uncompressed_length),
    })
  }
}

function idOf(object: string, value: unknown): string {
  const id = textOf(value)
  if (idPattern.test(id)) return id
  throw damaged('KLOSET_INDEX_CORRUPT', object, 'it names something that has no id')
}

function lengthOf(object: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value
  throw damaged('KLOSET_INDEX_CORRUPT', object, 'it has a length that none can have')
}
