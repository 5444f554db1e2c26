import { type Bytes, toHex } from '../bytes/index.js'
import { type Argon2Costs, passphraseKey } from '../crypto/index.js'
import type { Job } from '../runtime/jobs.js'
import type { Beside, Pool } from '../runtime/pool.js'

interface DeriveMessage {
  readonly passphrase: string
  readonly salt: Uint8Array
  readonly costs: Argon2Costs
}

/**
 * Derives the keys of passphrases in a thread that ends with {@link close}: each takes a fifth of a second, for which an app's thread must not
 * stand still, and 64 MiB, which would otherwise stay. The thread starts at once, before it is known what to derive from.
 */
export class Deriving {
  readonly #thread: Beside
  readonly #derived = new Map<string, Promise<Bytes>>()

  constructor(pool: Pool) {
    this.#thread = pool.beside('derive', undefined)
  }

  /** As {@link passphraseKey}, each key only once. */
  readonly derive: typeof passphraseKey = (passphrase, salt, costs) => {
    const key = `${toHex(salt)} ${JSON.stringify(costs)}`
    const message: DeriveMessage = { passphrase, salt, costs }
    const found = this.#derived.get(key) ?? (this.#thread.call(message) as Promise<Bytes>)
    this.#derived.set(key, found)
    return found
  }

  /** Nobody has to wait for it. */
  close(): void {
    this.#thread.close().catch(() => undefined)
  }
}

/** Makes the worker's side of {@link Deriving}. */
export function createDeriveJob(): Job {
  return {
    async handle({ passphrase, salt, costs }: DeriveMessage) {
      return { value: await passphraseKey(passphrase, salt, costs) }
    },
  }
}
