import { memoryStorage } from 'kloset'
import { expect, it } from 'vitest'
import { masterKeys } from '../../src/keys.js'
import type { Layout } from '../../src/layout.js'

// Anybody who can write to a repository can add key files: what trying them costs is bounded before anything is derived.

const layout = { keys: 'keys/' } as Layout

/** A repository with key files of these costs, all with the wrong password. */
function repository(costs: readonly { readonly N: number; readonly r: number; readonly p: number }[]) {
  const place = new Map<string, Uint8Array<ArrayBuffer>>()
  const ids = costs.map((cost, i) => {
    const file = {
      kdf: 'scrypt',
      ...cost,
      salt: Buffer.alloc(64).toString('base64'),
      data: Buffer.alloc(200).toString('base64'),
    }
    place.set(`keys/${i}`, new TextEncoder().encode(JSON.stringify(file)))
    return String(i)
  })
  return { storage: memoryStorage({ place }), ids }
}

const never = new AbortController().signal

it.each([
  ['one of a thousand lanes', { N: 2 ** 20, r: 8, p: 1024 }],
  ['one that fits into memory, and takes minutes', { N: 2 ** 18, r: 8, p: 512 }],
])('a key file with costs of %s is not tried', async (_, costs) => {
  const { storage, ids } = repository([costs])
  await expect(masterKeys(storage, layout, ids, 'x', never)).rejects.toMatchObject({ code: 'KLOSET_KEY_CORRUPT' })
})

it('any number of key files is tried only as far as they cost little together', async () => {
  const { storage, ids } = repository(
    Array.from({ length: 3_000 }, (_, i) => ({ N: i < 4 ? 2 ** 10 : 2 ** 20, r: 8, p: i < 4 ? 1 : 128 })),
  )
  await expect(masterKeys(storage, layout, ids, 'x', never)).rejects.toMatchObject({ code: 'KLOSET_WRONG_PASSPHRASE' })
})

it('who gives up is heard while a key is derived', async () => {
  const { storage, ids } = repository([{ N: 2 ** 15, r: 8, p: 32 }])
  const controller = new AbortController()
  const trying = masterKeys(storage, layout, ids, 'x', controller.signal)
  setTimeout(() => controller.abort(new Error('stopped')), 20)
  await expect(trying).rejects.toThrow('stopped')
})
