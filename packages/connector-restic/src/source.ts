import {
  type Call,
  type Entry,
  type Failure,
  type Filter,
  KlosetError,
  type PastSnapshot,
  type Range,
  type Source,
} from 'kloset/connector'
import type { Blobs } from './blobs.js'
import { isDamage } from './errors.js'
import { type Child, entryOf, idsIn, listingOf, subtreeOf } from './nodes.js'
import type { Root } from './roots.js'

/** One of the folders of a snapshot, named as a backup of that folder is: on the host it was on, what comes next is compared with it. */
export class ResticSource implements Source {
  readonly type = 'fs'
  readonly origin: string
  readonly root: string
  readonly capabilities: Source['capabilities'] = {
    order: 'path',
    access: 'random',
    atomic: false,
    ranges: false,
    timeGrain: 1n,
    concurrency: 8,
  }
  readonly #blobs: Blobs
  readonly #tree: string
  readonly #node: Root['node']

  constructor(blobs: Blobs, { host, content }: PastSnapshot, { root, node }: Root) {
    this.origin = host
    this.root = root
    this.#blobs = blobs
    this.#tree = content
    this.#node = node
  }

  async *scan(how: Call & { filter: Filter; under: string }): AsyncGenerator<readonly (Entry | Failure)[]> {
    let batch: (Entry | Failure)[] = []
    for await (const item of this.#items(how)) {
      batch.push(item)
      if (batch.length < batchSize) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  async *read(entry: Entry, { signal, range }: Call & { range: Range | undefined }): AsyncGenerator<Uint8Array> {
    const ids = idsIn(entry)
    let skip = range?.offset ?? 0
    let left = range?.length ?? Number.POSITIVE_INFINITY
    let next = this.#data(ids[0], signal)
    for (let at = 1; next !== undefined && left > 0; at++) {
      const current = next
      // While this one is taken, the next one is on its way.
      next = this.#data(ids[at], signal)
      const bytes = await current
      const part = bytes.subarray(Math.min(skip, bytes.length), Math.min(skip + left, bytes.length))
      skip = Math.max(0, skip - bytes.length)
      left -= part.length
      if (part.length > 0) yield part
    }
  }

  async close(): Promise<void> {}

  #data(id: string | undefined, signal: AbortSignal): Promise<Uint8Array> | undefined {
    const data = id === undefined ? undefined : this.#blobs.data(id, signal)
    // Whoever waits for it hears of it.
    data?.catch(() => undefined)
    return data
  }

  /** A folder comes before what is in it, and a single file under its own name, as when they are backed up. */
  async *#items(how: Call & { filter: Filter; under: string }): AsyncGenerator<Entry | Failure> {
    const node = this.#node
    if (node !== undefined && node.type !== 'directory') {
      yield* this.#item({ node, path: node.name }, how)
      return
    }
    if (how.under === '') yield node === undefined ? { path: '', type: 'directory' } : this.#entry({ node, path: '' })
    yield* this.#folder(node === undefined ? this.#tree : subtreeOf(node), '', how)
  }

  async *#folder(
    tree: string,
    folder: string,
    how: Call & { filter: Filter; under: string },
  ): AsyncGenerator<Entry | Failure> {
    let listing: ReturnType<typeof listingOf>
    try {
      listing = listingOf(await this.#blobs.tree(tree, how.signal), tree, folder)
    } catch (error) {
      if (!isDamage(error)) throw error
      yield { path: folder, error }
      return
    }
    if (listing.unsafe.length > 0) yield { path: folder, error: unsafe(listing.unsafe) }
    for (const child of listing.children) yield* this.#item(child, how)
  }

  async *#item(child: Child, how: Call & { filter: Filter; under: string }): AsyncGenerator<Entry | Failure> {
    const { path, node } = child
    const { under, filter } = how
    const isWanted = under === '' || path === under || path.startsWith(`${under}/`)
    if (!isWanted && !under.startsWith(`${path}/`)) return
    const item = this.#entry(child)
    if ('type' in item && !filter.takes(path, item.type)) return
    if (isWanted) yield item
    if (node.type === 'directory' && 'type' in item) yield* this.#folder(subtreeOf(node), path, how)
  }

  #entry(child: Child): Entry | Failure {
    try {
      // Without its tree a directory is not told as one that is empty.
      if (child.node.type === 'directory') subtreeOf(child.node)
      return entryOf(child, (ids) => this.#blobs.sizeOf(ids))
    } catch (error) {
      return { path: child.path, error }
    }
  }
}

const batchSize = 500

function unsafe(names: readonly string[]): KlosetError {
  const shown = names
    .slice(0, 3)
    .map((name) => JSON.stringify(name))
    .join(', ')
  return new KlosetError(
    'KLOSET_PATH_UNSAFE',
    `${names.length} entries in it have names that none can have: ${shown}`,
    {
      hint: 'They are left out; the rest is there.',
      context: { names: names.length },
    },
  )
}
