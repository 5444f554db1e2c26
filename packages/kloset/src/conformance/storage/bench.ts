import type { Bytes, Storage, StoredObject } from '../../connector/contract.js'
import { check } from '../assert.js'

/** What a case works with: clients of one place, and names that nothing else uses. */
export class Bench {
  /** What each name of this case starts with. */
  readonly prefix: string
  readonly #open: () => Promise<Storage>
  readonly #opened: Storage[] = []

  constructor(open: () => Promise<Storage>) {
    this.#open = open
    this.prefix = `case-${Math.random().toString(36).slice(2, 12)}/`
  }

  /** Another client of the place. */
  async client(): Promise<Storage> {
    const storage = await this.#open()
    this.#opened.push(storage)
    return storage
  }

  /** Another client of the place, and the full name of an object that it has stored there. */
  async holding(name: string, body: Bytes): Promise<{ readonly storage: Storage; readonly name: string }> {
    const storage = await this.client()
    const full = this.named(name)
    await storage.put(full, body, replacing)
    return { storage, name: full }
  }

  /** The full name for `name`. */
  named(name: string): string {
    return this.prefix + name
  }

  /** Removes what the case stored, and closes its clients. */
  async end(): Promise<void> {
    const [first] = this.#opened
    if (first?.capabilities.write && first.capabilities.list) {
      const left = await listed(first, this.prefix)
      await first.remove(
        left.map(({ name }) => name),
        { signal: never },
      )
    }
    for (const storage of this.#opened) await storage.close()
  }
}

type PutHow = Parameters<Storage['put']>[2]

/** A signal that is never aborted. */
export const never: AbortSignal = new AbortController().signal

/** How to store without conditions. */
export const replacing: PutHow = { signal: never, ifAbsent: false, tier: 'hot' }

/** How to store unless it is there. */
export const ifAbsent: PutHow = { signal: never, ifAbsent: true, tier: 'hot' }

/** How to read all of an object. */
export const whole: Parameters<Storage['get']>[1] = { signal: never, range: undefined }

/** All that a listing gives, in the order it came. */
export async function listed(storage: Storage, prefix: string, after?: string): Promise<StoredObject[]> {
  const found: StoredObject[] = []
  for await (const batch of storage.list(prefix, { signal: never, after })) {
    check(batch.length >= 1 && batch.length <= 1000, `a batch has 1 to 1,000 items, not ${batch.length}`)
    for (const { name, size } of batch) found.push({ name, size })
  }
  return found
}

/** The names a listing gives, in the order they came. */
export async function namesIn(storage: Storage, prefix: string, after?: string): Promise<string[]> {
  return (await listed(storage, prefix, after)).map(({ name }) => name)
}

/** `length` bytes that look random and are the same for the same seed (the mixing step of SplitMix, 32 bits). */
export function pattern(length: number, seed = 1): Bytes {
  const bytes = new Uint8Array(length)
  const words = new Uint32Array(bytes.buffer, 0, length >>> 2)
  for (let i = 0; i < words.length; i++) words[i] = mixed(seed + i)
  for (let i = words.length * 4; i < length; i++) bytes[i] = mixed(seed + i)
  return bytes
}

/** Runs `work` for each item, a few at a time. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>, atOnce = 16): Promise<void> {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

function mixed(value: number): number {
  let word = Math.imul(value, 0x9e3779b9)
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}
