import type { Storage } from 'kloset/connector'

/** What the objects of a repository are called. */
export interface Layout {
  readonly keys: string
  readonly locks: string
  readonly snapshots: string
  readonly indexes: string
  readonly packs: string
  /** The object of the pack of an id. */
  pack(id: string): string
}

/** An id: the SHA-256 of what it names. */
export const idPattern: RegExp = /^[0-9a-f]{64}$/

const usual: Layout = {
  keys: 'keys/',
  locks: 'locks/',
  snapshots: 'snapshots/',
  indexes: 'index/',
  packs: 'data/',
  pack: (id) => `data/${id.slice(0, 2)}/${id}`,
}

// "s3legacy" in restic's words: repositories that were made on S3 before version 0.8, and copies of them.
const old: Layout = {
  keys: 'key/',
  locks: 'lock/',
  snapshots: 'snapshot/',
  indexes: 'index/',
  packs: 'data/',
  pack: (id) => `data/${id}`,
}

/** What names a repository uses, and its keys, without which it cannot be read; undefined where there are none. */
export async function layoutOf(
  storage: Storage,
  signal: AbortSignal,
): Promise<{ readonly layout: Layout; readonly keys: readonly string[] } | undefined> {
  for (const layout of [usual, old]) {
    const keys = await idsBelow(storage, layout.keys, signal)
    if (keys.length > 0) return { layout, keys }
  }
  return undefined
}

/** The ids of the objects below a folder, however deep. */
export async function idsBelow(storage: Storage, folder: string, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = []
  for await (const batch of storage.list(folder, { signal, after: undefined })) {
    for (const { name } of batch) {
      const id = name.slice(name.lastIndexOf('/') + 1)
      if (idPattern.test(id)) ids.push(id)
    }
  }
  return ids
}
