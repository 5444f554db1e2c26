import { toHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { IdMap } from '../index/id-map.js'
import type { Location } from '../index/index.js'
import { changesIn, type Following, type Standing, standingOf } from '../log/index.js'
import { readSegment } from '../store/load-index.js'
import type { LoadedIndex, OpenedStore } from '../store/opened.js'
import { reach } from '../tree/reach.js'
import { markWidth } from './mark.js'

/** Where everything that trees need is. */
export interface Resolved {
  /** The packs it is in, one for each id, those to lift included. */
  readonly packs: ReadonlySet<string>
  /** The condemned ones among them: their condemnation has to be lifted. */
  readonly lift: ReadonlySet<string>
  /** An id that no pack has that is there to stay; below a node of which nothing is known, none is looked for. */
  readonly missing: string | undefined
}

/** What to resolve. */
export interface Wanted {
  readonly roots: readonly Uint8Array[]
  /** Segments that the log does not name yet and that count all the same. */
  readonly segments: readonly string[]
  /** Begun when the index was read that all this relies on. */
  readonly following: Following
}

/**
 * Finds a pack for every id that trees refer to (protocol rules 4 and 6), by the newest state: one that can be relied on, else one whose
 * condemnation can be lifted. What is being read may be purged meanwhile; then it is looked for anew.
 */
export async function resolve(store: OpenedStore, wanted: Wanted, call: Call): Promise<Resolved> {
  const { log, storage, keyring } = store
  for (;;) {
    const now = log.state
    const changes = changesIn(wanted.following.entries)
    const loaded = await store.loaded()
    try {
      for (const name of wanted.segments) {
        if (!changes.removed.has(name)) loaded.table.add(await readSegment(storage, keyring, name, call))
      }
      return await resolveIn(loaded, wanted.roots, (pack) => standingOf(now, changes, pack), call)
    } catch (error) {
      call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      await log.refresh(call)
      if (log.state.position === now.position) throw error
    }
  }
}

/** The same by an index, and by how packs stand. */
export async function resolveIn(
  { table, blobs }: Pick<LoadedIndex, 'table' | 'blobs'>,
  roots: Iterable<Uint8Array>,
  standing: (pack: string) => Standing,
  call: Call,
): Promise<Resolved> {
  const seen = new IdMap({ exact: true })
  const lift = new Set<string>()
  const packs = new Set<string>()
  const standings = new Map<string, Standing>()
  let missing: string | undefined
  const placeOf = ({ frame }: Location): { readonly pack: string; readonly standing: Standing } => {
    const pack = toHex(frame.pack)
    const found = standings.get(pack) ?? standing(pack)
    standings.set(pack, found)
    return { pack, standing: found }
  }
  const find = (id: Uint8Array): boolean => {
    const places = table.locateAll(id).map(placeOf)
    const condemned = places.filter((place) => place.standing === 'condemned')
    const found =
      places.find((place) => place.standing === 'reliable') ??
      condemned.find(({ pack }) => lift.has(pack)) ??
      condemned.sort((a, b) => (a.pack < b.pack ? -1 : 1))[0]
    if (found === undefined) {
      missing ??= toHex(id)
      return false
    }
    packs.add(found.pack)
    if (found.standing === 'condemned') lift.add(found.pack)
    return true
  }
  const isNew = (bytes: Uint8Array, at: number): boolean => seen.set(bytes, at, 1) === 0
  await reach(
    roots,
    (id) => blobs.node(id, call),
    {
      node: (bytes, at) => isNew(bytes, at) && find(bytes.subarray(at, at + 32)),
      chunk: (bytes, at) => {
        if (isNew(bytes, at)) find(bytes.subarray(at, at + 32))
      },
    },
    { ...call, width: markWidth },
  )
  return { packs, lift, missing }
}
