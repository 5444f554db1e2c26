import type { Unlock } from '../api.js'
import { type Bytes, fromHex } from '../bytes/index.js'
import type { Call, Storage } from '../connector/index.js'
import {
  createKeyring,
  type Encryption,
  type Keyring,
  plaintextMaterial,
  type Secret,
  unlock,
} from '../crypto/index.js'
import { KlosetError } from '../errors.js'
import type { Pool } from '../runtime/pool.js'
import type { StoreConfig } from './config.js'
import { deriveApart } from './derive.js'
import { copyOf, readIfThere } from './twice.js'

/** The keys of a store, and what was found damaged on the way to them. */
export interface UnlockedStore {
  readonly keyring: Keyring
  readonly damaged: readonly KlosetError[]
}

/**
 * Unlocks a store. How it is unlocked must fit what it is: a plaintext store is not opened with a passphrase, since somebody may
 * have put it in the place of an encrypted one.
 * @throws KLOSET_NOT_ENCRYPTED, KLOSET_LOCKED, KLOSET_WRONG_PASSPHRASE, KLOSET_KEY_CORRUPT
 */
export async function unlockStore(
  storage: Storage,
  config: StoreConfig,
  how: Unlock,
  pool: Pool,
  call: Call,
): Promise<UnlockedStore> {
  const storeId = fromHex(config.store)
  if (config.encryption === 'none') {
    if ('plaintext' in how) return { keyring: createKeyring(plaintextMaterial(storeId)), damaged: [] }
    throw new KlosetError('KLOSET_NOT_ENCRYPTED', `the store at ${storage.location} is not encrypted`, {
      hint: 'If that is what you expect, open it without a passphrase; if not, it is not the store you made.',
    })
  }
  if ('plaintext' in how) {
    throw new KlosetError('KLOSET_LOCKED', `the store at ${storage.location} is encrypted`, {
      hint: 'Give its passphrase or key.',
    })
  }
  return unlockEncrypted(storage, storeId, config.encryption, how, pool, call)
}

async function unlockEncrypted(
  storage: Storage,
  storeId: Bytes,
  encryption: Exclude<Encryption, 'none'>,
  secret: Secret,
  pool: Pool,
  call: Call,
): Promise<UnlockedStore> {
  const [keys, epochs] = await Promise.all([namesUnder(storage, 'keys/', call), namesUnder(storage, 'epochs/', call)])
  const slots = await Promise.all(
    keys.map(async (name) => ({ id: slotIdOf(name), bytes: await readIfThere(storage, name, call) })),
  )
  const { material, damaged } = await unlock(
    {
      storeId,
      encryption,
      slots: slots.flatMap(({ id, bytes }) => (id === undefined || bytes === undefined ? [] : [{ id, bytes }])),
      epochs,
      fetch: async (name) => {
        const versions = await Promise.all([name, copyOf(name)].map((each) => readIfThere(storage, each, call)))
        return versions.filter((bytes) => bytes !== undefined)
      },
    },
    secret,
    (passphrase, salt, costs) => deriveApart(pool, { passphrase, salt, costs }),
  )
  return { keyring: createKeyring(material), damaged }
}

/** The slot that an object under `keys/` is, or is the copy of. */
export function slotIdOf(name: string): string | undefined {
  return /^keys\/([0-9a-f]{32})(\.copy)?$/.exec(name)?.[1]
}

/** All names with a prefix. */
export async function namesUnder(storage: Storage, prefix: string, call: Call): Promise<string[]> {
  const names: string[] = []
  for await (const batch of storage.list(prefix, { ...call, after: undefined })) {
    for (const { name } of batch) names.push(name)
  }
  return names
}
