import type { Finding } from '../api.js'
import { fromHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { openPrevious, readSlot, verifyEpoch, verifySlot } from '../crypto/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { decodeConfig, verifyConfig } from '../store/config.js'
import type { OpenedStore } from '../store/opened.js'
import { copyOf, readIfThere } from '../store/twice.js'
import { namesUnder, slotIdOf } from '../store/unlocking.js'
import { type FindingCode, finding } from './findings.js'

/** Verifies config, key slots and sealed keys: all of them, also those this client was not opened with, and both copies of each. */
export async function* checkFoundation(store: OpenedStore, call: Call): AsyncGenerator<Finding> {
  yield* checkBoth(store, 'config', 'config-corrupt', call, (bytes) => {
    decodeConfig(bytes)
    verifyConfig(bytes, store.keyring.configKey)
  })
  if (store.config.encryption === 'none') return
  const storeId = fromHex(store.id)
  const [slots, names] = await Promise.all(
    ['keys/', 'epochs/'].map((prefix) => namesUnder(store.storage, prefix, call)),
  )
  for (const id of new Set(slots!.flatMap((name) => slotIdOf(name) ?? []))) {
    yield* checkBoth(store, `keys/${id}`, 'key-corrupt', call, (bytes) => {
      readSlot(bytes, { id, storeId })
      verifySlot(id, bytes, store.keyring.slotsKey)
    })
  }
  for (const name of new Set(names!.map((each) => each.replace(/\.copy$/, ''))))
    yield* checkEpoch(store, storeId, name, call)
}

async function* checkEpoch(store: OpenedStore, storeId: Uint8Array, name: string, call: Call): AsyncGenerator<Finding> {
  const { epochs, auth } = store.keyring.material
  const [, digits, owner] = /^epochs\/(\d{10})\/([0-9a-f]{32}|previous)$/.exec(name) ?? []
  if (owner === undefined) return
  const epoch = Number(digits)
  yield* checkBoth(store, name, 'epoch-corrupt', call, async (bytes) => {
    if (owner === 'previous') await openPrevious(storeId, epoch, epochs[epoch] ?? new Uint8Array(32), bytes)
    else verifyEpoch({ storeId, epoch, slot: owner }, bytes, auth)
  })
}

async function* checkBoth(
  store: OpenedStore,
  name: string,
  code: FindingCode,
  call: Call,
  verify: (bytes: Uint8Array) => void | Promise<void>,
): AsyncGenerator<Finding> {
  const look = async (object: string): Promise<Finding | undefined> => {
    try {
      const bytes = await readIfThere(store.storage, object, call)
      if (bytes === undefined) throw new KlosetError('KLOSET_NOT_FOUND', `${object} is missing`)
      await verify(bytes)
      return undefined
    } catch (error) {
      call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      return finding(object === name ? code : 'copy-damaged', object, error.message)
    }
  }
  for (const found of await Promise.all([look(name), look(copyOf(name))])) if (found !== undefined) yield found
}
