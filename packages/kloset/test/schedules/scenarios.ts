import type { Store } from '../../src/api.js'
import type { Storage } from '../../src/connector/contract.js'
import { openedStore } from '../../src/facade.js'
import { openStore } from '../../src/open.js'
import { PruneRun, type PruneSettings } from '../../src/prune/run.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { call, engine, longAgo, newStore, noise, type Specs, scripted } from '../backup/support.js'
import { allOf } from '../support/stores.js'

/** What may be backed up, by the name of the snapshot. Many of them share content, so that much depends on what others do. */
export const contents: Readonly<Record<string, Specs>> = {
  one: { a: noise(2_000, 1), 'd/b': noise(2_000, 2) },
  two: { a: { content: noise(2_000, 3), mtime: longAgo + 1n }, 'd/b': noise(2_000, 2) },
  three: { 'd/b': noise(2_000, 2), c: noise(2_000, 1), e: noise(2_000, 4) },
  four: { e: noise(2_000, 4), f: noise(2_000, 5) },
}

/** What clients do. */
export type Deed =
  | { readonly does: 'backup'; readonly of: keyof typeof contents; readonly root: string }
  | { readonly does: 'forget' | 'undelete'; readonly snapshot: string }
  | { readonly does: 'prune' }

export interface Scenario {
  readonly name: string
  /** What the store has in it at first. */
  readonly before: readonly Deed[]
  /** What clients then did at the same time, not knowing of each other: what they have in common is stored by each. */
  readonly twins?: readonly Deed[]
  /** Puts that succeed of one more backup, which is then interrupted; with this root and content. */
  readonly interrupted?: { readonly puts: number; readonly of: keyof typeof contents; readonly root: string }
  /** One client each, which does these things one after the other. */
  readonly clients: readonly (readonly Deed[])[]
}

const backup = (of: keyof typeof contents, root = '/data'): Deed => ({ does: 'backup', of, root })
const forget = (snapshot: string): Deed => ({ does: 'forget', snapshot })
const undelete = (snapshot: string): Deed => ({ does: 'undelete', snapshot })
const prune: Deed = { does: 'prune' }

/** Deletes at once, and merges whatever it can: nothing protects those who are slow but the rules. */
const atOnce: PruneSettings = { delay: 0, grace: 0, many: 2 }

export const scenarios: readonly Scenario[] = [
  {
    name: 'two backups, and one who forgets their parent and prunes',
    before: [backup('one')],
    clients: [[backup('two')], [backup('three', '/other')], [forget('one'), prune]],
  },
  {
    name: 'a backup of what was just forgotten, and two prunes',
    before: [backup('one'), backup('four', '/other'), forget('one')],
    clients: [[backup('three')], [prune], [prune]],
  },
  {
    name: 'a backup, a prune, and one who wants a snapshot back',
    before: [backup('one'), backup('three', '/other'), forget('one')],
    clients: [[backup('two')], [prune], [undelete('one')]],
  },
  {
    name: 'one who forgets and wants back, beside two prunes and a backup that builds on it',
    before: [backup('one')],
    clients: [[backup('two')], [forget('one'), undelete('one')], [prune], [prune]],
  },
  {
    name: 'backups that use what an interrupted one left, and prunes that delete it',
    before: [backup('four', '/other')],
    interrupted: { puts: 3, of: 'three', root: '/data' },
    clients: [[backup('three')], [backup('one')], [prune, prune]],
  },
  {
    name: 'two who use what an interrupted backup left, beside one who merges segments',
    before: [backup('one')],
    interrupted: { puts: 3, of: 'four', root: '/data' },
    clients: [[backup('four')], [backup('four', '/other')], [prune, prune]],
  },
  {
    name: 'prunes that find the same content twice',
    before: [],
    twins: [backup('one'), backup('three', '/other'), backup('two', '/third')],
    clients: [[backup('two')], [forget('three'), prune], [prune, forget('two'), prune]],
  },
  {
    name: 'one after the other, each by another client',
    before: [backup('one'), forget('one')],
    clients: [
      [prune, backup('three')],
      [undelete('one'), backup('two')],
      [prune, forget('one'), prune],
    ],
  },
]

/** Two clients at what can go wrong between two: few enough steps to try every order. */
export const races: readonly Scenario[] = [
  {
    name: 'a backup, and one who forgets its parent and prunes',
    before: [backup('one')],
    clients: [[backup('two')], [forget('one'), prune]],
  },
  {
    name: 'a backup that finds what nobody needs, and a prune',
    before: [backup('one'), forget('one')],
    clients: [[backup('three')], [prune]],
  },
  {
    name: 'one who wants a snapshot back, and a prune',
    before: [backup('one'), forget('one')],
    clients: [[undelete('one')], [prune]],
  },
  {
    name: 'two prunes',
    before: [],
    twins: [backup('one'), backup('three', '/other')],
    clients: [[prune], [forget('three'), prune]],
  },
  {
    name: 'a backup that uses what another left, and prunes',
    before: [backup('one')],
    interrupted: { puts: 3, of: 'three', root: '/data' },
    clients: [[backup('three')], [prune]],
  },
]

/** Does something; a snapshot gets the name of its content. */
export async function act(store: Store, deed: Deed): Promise<unknown> {
  switch (deed.does) {
    case 'backup': {
      const { snapshot } = await store.backup(scripted(contents[deed.of]!, { root: deed.root }), { name: deed.of })
      return snapshot!.id
    }
    case 'forget':
      return store.forget(await idsNamed(store.snapshots(), deed.snapshot))
    case 'undelete':
      return store.undelete(await idsNamed(store.forgotten(), deed.snapshot))
    case 'prune':
      return new PruneRun(openedStore(store), atOnce, call).run()
    default:
      throw new TypeError(deed satisfies never)
  }
}

export function openAt(storage: Storage): Promise<Store> {
  return openStore(storage, { unlock: { plaintext: true }, engine })
}

/** The objects of a store as a scenario finds it. */
export async function placeOf({ before, twins = [], interrupted }: Scenario): Promise<MemoryPlace> {
  const { store, place } = await newStore({ chunker: { min: 256, normal: 1024, max: 2048 }, frame: 4096, pack: 4096 })
  for (const deed of before) await act(store, deed)
  const clients = await Promise.all(
    twins.map(async (deed) => ({ deed, client: await openAt(memoryStorage({ place })) })),
  )
  await Promise.all(clients.map(({ deed, client }) => act(client, deed)))
  if (interrupted !== undefined) {
    const storage = memoryStorage({ place })
    let puts = 0
    const broken = await openAt({
      ...storage,
      put: (name, body, how) => {
        if (++puts > interrupted.puts) throw new Error('interrupted')
        return storage.put(name, body, how)
      },
    })
    const { of, root } = interrupted
    await act(broken, { does: 'backup', of, root }).catch(() => undefined)
  }
  return place
}

async function idsNamed(
  snapshots: AsyncIterable<{ readonly id: string; readonly name: string | undefined }>,
  name: string,
): Promise<string[]> {
  return (await allOf(snapshots)).filter((snapshot) => snapshot.name === name).map(({ id }) => id)
}
