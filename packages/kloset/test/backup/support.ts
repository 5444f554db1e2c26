import type { BackupOptions, BackupResult, CreateOptions, Engine, Finding, Store } from '../../src/api.js'
import { type Bytes, fromHex, toHex } from '../../src/bytes/index.js'
import {
  type Call,
  comparePaths,
  type Entry,
  type Failure,
  type Source,
  type Storage,
  type WorkerModule,
} from '../../src/connector/index.js'
import { createStore } from '../../src/create.js'
import { createKeyring, type Keyring } from '../../src/crypto/index.js'
import { createEngine } from '../../src/engine.js'
import { openStore } from '../../src/open.js'
import { packObject, plaintextMaterial } from '../../src/pack/index.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/memory.js'
import { type FooterContents, isPack, readFooter } from '../../src/store/footers.js'

export const call: Call = { signal: new AbortController().signal }

/** Runs everything on the thread of the test. */
export const engine: Engine = createEngine({ workers: 0 })

/** Small sizes, so that little data makes many chunks and packs. */
export const sizes = { min: 1024, normal: 4096, max: 16_384 }

export const settings: CreateOptions = {
  unlock: { plaintext: true },
  engine,
  chunker: sizes,
  frame: 8 * 1024,
  pack: 32 * 1024,
  codec: 'none',
}

/** A new store in memory and the objects it consists of. */
export async function newStore(
  more: Partial<CreateOptions> = {},
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<{ store: Store; place: MemoryPlace }> {
  const place: MemoryPlace = new Map()
  const store = await createStore(wrap(memoryStorage({ place })), { ...settings, ...more })
  return { store, place }
}

/** The store at a place, opened by another client. */
export function reopen(place: MemoryPlace, wrap: (storage: Storage) => Storage = (storage) => storage): Promise<Store> {
  return openStore(wrap(memoryStorage({ place })), { unlock: { plaintext: true }, engine })
}

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed = 1): Bytes {
  const bytes = new Uint8Array(length)
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** What is at one path of a {@link scripted} source. */
export interface Spec extends Partial<Omit<Entry, 'path'>> {
  readonly content?: string | Uint8Array
  /** Thrown when the content is asked for. */
  readonly unreadable?: unknown
  /** Stands in the scan beside the entry, as for a directory that cannot be listed; alone when `type` is absent too. */
  readonly failure?: unknown
}

export type Specs = Readonly<Record<string, Spec | string | Uint8Array>>

/** Long before any test: never within the grain of a clock. */
export const longAgo = 1_000_000_000_000_000_000n

/** A source that yields what a test wrote down, and remembers which files were read. */
export interface Scripted extends Source {
  readonly opened: string[]
}

/** How a {@link scripted} source differs from the usual. */
export interface ScriptedOptions {
  readonly root?: string
  readonly origin?: string
  readonly type?: string
  readonly capabilities?: Partial<Source['capabilities']>
  readonly worker?: WorkerModule
  readonly batch?: number
  /** Leave out the directories that no spec names. */
  readonly bare?: boolean
  /** Called before each batch of the scan; may throw. */
  readonly onBatch?: (number: number) => void
  /** Called before each read; may throw. */
  readonly onRead?: (path: string) => void | Promise<void>
  /** Bytes of a piece of content. */
  readonly piece?: number
  /** The order of paths as the scan gives them; default path order. */
  readonly order?: (paths: string[]) => string[]
}

/** A source of files that have a size, an old mtime, and directories above them. */
export function scripted(specs: Specs, options: ScriptedOptions = {}): Scripted {
  const opened: string[] = []
  const { piece = 3_000, batch = 3 } = options
  return {
    type: options.type ?? 'test',
    origin: options.origin ?? 'here',
    root: options.root ?? '/data',
    capabilities: {
      order: 'path',
      access: 'random',
      atomic: false,
      ranges: true,
      timeGrain: 1n,
      concurrency: 4,
      ...options.capabilities,
    },
    worker: options.worker,
    opened,
    async *scan({ signal }) {
      const items = itemsOf(specs, options)
      for (let at = 0; at < items.length; at += batch) {
        signal.throwIfAborted()
        options.onBatch?.(at / batch)
        yield items.slice(at, at + batch)
      }
    },
    async *read(entry) {
      opened.push(entry.path)
      await options.onRead?.(entry.path)
      const spec = specOf(specs[entry.path]!)
      if (spec.unreadable !== undefined) throw spec.unreadable
      const content = bytesOf(spec.content)
      for (let at = 0; at < content.length; at += piece) yield content.subarray(at, at + piece)
    },
    async close() {},
  }
}

/** The entries and failures of specs, in the order of the scan. */
export function itemsOf(specs: Specs, { bare = false, order }: ScriptedOptions = {}): (Entry | Failure)[] {
  const paths = new Set(bare ? [] : [''])
  for (const path of Object.keys(specs)) {
    for (let at = path.indexOf('/'); at > 0 && !bare; at = path.indexOf('/', at + 1)) paths.add(path.slice(0, at))
    paths.add(path)
  }
  const sorted = [...paths].sort(comparePaths)
  return (order?.(sorted) ?? sorted).flatMap((path) => {
    const given = specs[path]
    if (given === undefined) return [{ path, type: 'directory' as const, mode: 0o755, mtime: longAgo }]
    const { content, unreadable: _, failure, ...stat } = specOf(given)
    const items: (Entry | Failure)[] = []
    if (failure === undefined || stat.type !== undefined) {
      const size = stat.type === undefined || stat.type === 'file' ? { size: bytesOf(content).length } : {}
      items.push({ type: 'file', mode: 0o644, mtime: longAgo, ...size, ...stat, path })
    }
    if (failure !== undefined) items.push({ path, error: failure })
    return items
  })
}

function specOf(spec: Spec | string | Uint8Array): Spec {
  return typeof spec === 'string' || spec instanceof Uint8Array ? { content: spec } : spec
}

function bytesOf(content: string | Uint8Array = ''): Uint8Array {
  return typeof content === 'string' ? new TextEncoder().encode(content) : content
}

/** What a check that reads everything finds wrong. */
export async function errorsOf(store: Store): Promise<string[]> {
  return (await findings(store)).filter(({ level }) => level === 'error').map(({ code, object }) => `${code} ${object}`)
}

export async function findings(store: Store): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const finding of store.check({ read: 'all' })) found.push(finding)
  return found
}

/** Names and contents of all objects, to see that nothing changed. */
export function listing(place: MemoryPlace): string[] {
  return [...place].map(([name, body]) => `${name} ${body.length}`).sort()
}

/** The keys of a plaintext store. */
export function keyringOf({ id }: { readonly id: string }): Keyring {
  return createKeyring(plaintextMaterial(fromHex(id)))
}

/** What the footers of all packs of a plaintext store say. */
export async function footersIn(storage: Storage, store: { readonly id: string }): Promise<FooterContents[]> {
  const keyring = keyringOf(store)
  const found: Promise<FooterContents>[] = []
  for await (const batch of storage.list('packs/', { ...call, after: undefined })) {
    for (const object of batch) if (isPack(object.name)) found.push(readFooter(storage, keyring, object, call))
  }
  return Promise.all(found)
}

export function footers(store: Store, place: MemoryPlace): Promise<FooterContents[]> {
  return footersIn(memoryStorage({ place }), store)
}

/** The ids of the blobs in each pack, by the object's name. */
export async function idsByPackIn(storage: Storage, store: { readonly id: string }): Promise<Map<string, string[]>> {
  const packs = await footersIn(storage, store)
  return new Map(
    packs.map(({ name, records }) => [
      packObject(name),
      Array.from({ length: records.length / 40 }, (_, i) => toHex(records.subarray(40 * i, 40 * i + 32))),
    ]),
  )
}

export function idsByPack(store: Store, place: MemoryPlace): Promise<Map<string, string[]>> {
  return idsByPackIn(memoryStorage({ place }), store)
}

/** The ids of all blobs in all packs, each as often as it is stored. */
export async function storedIds(store: Store, place: MemoryPlace): Promise<string[]> {
  return [...(await idsByPack(store, place)).values()].flat()
}

/** Ids that are stored more than once. */
export async function storedTwice(store: Store, place: MemoryPlace): Promise<string[]> {
  const seen = new Set<string>()
  return (await storedIds(store, place)).filter((id) => seen.has(id) || !seen.add(id))
}

/** Root ids of the trees of a snapshot, and so whether two snapshots hold the same. */
export function treesOf(result: BackupResult): string[] {
  const snapshot = result.snapshot as unknown as { record: { sources: { tree: string }[] } }
  return snapshot.record.sources.map(({ tree }) => tree)
}

/** The files of a snapshot with their content, by path. */
export async function contents(store: Store, name = 'latest'): Promise<Record<string, string>> {
  const snapshot = await store.snapshot(name)
  const files: Record<string, string> = {}
  for await (const entry of snapshot.walk()) {
    if (entry.type !== 'file' || entry.contentSize === undefined) continue
    const bytes = await (await snapshot.open(entry.path)).bytes()
    files[entry.path] = toHex(bytes)
  }
  return files
}

/** What {@link contents} should give for specs. */
export function expected(specs: Specs): Record<string, string> {
  const files: Record<string, string> = {}
  for (const [path, spec] of Object.entries(specs)) {
    const { type = 'file', content, failure } = specOf(spec)
    if (type === 'file' && failure === undefined) files[path] = toHex(bytesOf(content))
  }
  return files
}

/** Backs up and keeps the events of files, and with `all` of folders and links, too. */
export async function told(
  store: Store,
  from: Source | Source[],
  { all, ...options }: BackupOptions & { all?: true } = {},
): Promise<{ result: BackupResult; events: string[] }> {
  const events: string[] = []
  const result = await store.backup(from, {
    ...options,
    entries: true,
    onEvent: (event) => {
      if (event.type === 'failed') events.push(`failed ${event.path}`)
      else if ('entry' in event && (all || event.entry.type === 'file')) events.push(`${event.type} ${event.path}`)
    },
  })
  return { result, events }
}
