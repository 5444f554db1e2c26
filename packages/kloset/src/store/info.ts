import type { StoreInfo } from '../api.js'
import { fromHex, toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { readSlot } from '../crypto/index.js'
import { isKlosetError } from '../errors.js'
import { addTotals, noTotals } from '../tree/index.js'
import type { OpenedStore } from './opened.js'
import { copyOf, readIfThere } from './twice.js'
import { namesUnder, slotIdOf } from './unlocking.js'

/** Describes a store: what it was made with, how it is unlocked, and how much is in it. */
export async function storeInfo(store: OpenedStore, call: Call): Promise<StoreInfo> {
  await store.log.refresh(call)
  const table = await store.index()
  let packs = 0
  let stored = 0
  const { config, log, records } = store
  for (const { name, size } of table.packs()) {
    if (log.state.packs.get(toHex(name))?.fate === 'dead') continue
    packs++
    stored += size
  }
  const { store: id, family = id, created, encryption, chunker, codec, frame, pack } = config
  return {
    id,
    family,
    location: store.storage.location,
    created: new Date(created),
    version: 1,
    encryption,
    chunker,
    codec,
    frame,
    pack,
    snapshots: log.state.snapshots.size,
    head: log.state.position,
    segments: log.state.segments.size,
    packs,
    chunks: table.size,
    stored,
    totals: records.flatMap(({ sources }) => sources).reduce((sum, { totals }) => addTotals(sum, totals), noTotals),
    oldest: records[0] && new Date(records[0].time),
    newest: records.at(-1) && new Date(records.at(-1)!.time),
    space: await spaceOf(store, call),
    keys: encryption === 'none' ? [] : await slots(store, call),
  }
}

/** Not to know it is no reason to say nothing of the store. */
async function spaceOf({ storage }: OpenedStore, call: Call): Promise<StoreInfo['space']> {
  try {
    return (await storage.usage?.(call)) ?? {}
  } catch (error) {
    if (!isKlosetError(error)) throw error
    return {}
  }
}

async function slots(store: OpenedStore, call: Call): Promise<StoreInfo['keys']> {
  const names = await namesUnder(store.storage, 'keys/', call)
  const ids = [...new Set(names.flatMap((name) => slotIdOf(name) ?? []))]
  const found = await Promise.all(ids.map((id) => slot(store, id, call)))
  return found.filter((each) => each !== undefined)
}

async function slot(store: OpenedStore, id: string, call: Call): Promise<StoreInfo['keys'][number] | undefined> {
  for (const name of [`keys/${id}`, copyOf(`keys/${id}`)]) {
    try {
      const bytes = await readIfThere(store.storage, name, call)
      if (bytes === undefined) continue
      const { head } = readSlot(bytes, { id, storeId: fromHex(store.id) })
      const kind = head.kdf.name === 'none' ? 'raw' : 'passphrase'
      return { id, kind, label: head.label, created: new Date(head.created) }
    } catch (error) {
      // A damaged slot is what `check` tells of.
      if (!isKlosetError(error, 'KLOSET_KEY_CORRUPT')) throw error
    }
  }
  return undefined
}
