import type { Bytes } from '../bytes/index.js'
import { type Argon2Costs, passphraseKey } from '../crypto/index.js'
import type { Job } from '../runtime/jobs.js'
import type { Pool } from '../runtime/pool.js'

interface DeriveMessage {
  readonly passphrase: string
  readonly salt: Uint8Array
  readonly costs: Argon2Costs
}

/**
 * Derives a passphrase's key in a thread that ends after it: it takes a third of a second, for which an app's thread must not stand
 * still, and 64 MiB, which would otherwise stay.
 */
export async function deriveApart(pool: Pool, message: DeriveMessage): Promise<Bytes> {
  return (await pool.once('derive', message)) as Bytes
}

/** Makes the worker's side of {@link deriveApart}. */
export function createDeriveJob(): Job {
  return {
    async handle({ passphrase, salt, costs }: DeriveMessage) {
      return { value: await passphraseKey(passphrase, salt, costs) }
    },
  }
}
