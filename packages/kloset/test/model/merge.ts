/**
 * An index merge: all segments that the log names become one without the records of dead packs; an `index-swap` says so; then the old
 * ones are deleted.
 */
import {
  type Around,
  ended,
  headsSeen,
  list,
  type Move,
  move,
  nonceOf,
  ownEntry,
  putEntry,
  type Reading,
} from './client.js'
import {
  bit,
  deleteSegments,
  type Mask,
  maskOf,
  nothing,
  numbersOf,
  packsOf,
  putSegment,
  replay,
  stillUnderWay,
  type World,
} from './store.js'

export interface MergeSetup {
  readonly kind: 'merge'
  /** Names for the segments it makes: one for each try. None: it only drops segments whose packs are all dead. */
  readonly merges: readonly number[]
}

export interface Merge extends Reading {
  readonly kind: 'merge'
  readonly at: 'read' | 'build' | 'swap' | 'delete' | 'unsure'
  readonly made: number
  readonly old: Mask
  readonly adds: Mask
  /** Dead packs of which nothing is said any more. */
  readonly drops: Mask
}

export const newMerge: Merge = {
  kind: 'merge',
  at: 'read',
  head: 0,
  acknowledged: 0,
  made: 0,
  old: 0,
  adds: 0,
  drops: 0,
}

/** Prune and merge can be one client: their entries are numbered apart. */
const operation = 8

export function mergeSteps(me: Merge, merges: readonly number[], world: World, around: Around): Move<Merge>[] {
  const { name } = around
  switch (me.at) {
    case 'read':
      return headsSeen(world, me.head, around).map((head) =>
        move(`${name} reads the log up to ${head}, to merge`, { ...me, at: 'build', head }, world),
      )
    case 'build':
      return build(me, merges, world, around)
    case 'swap': {
      const draft = { ...nothing, kind: 'index-swap', adds: me.adds, removes: me.old, packs: me.drops } as const
      return putEntry(me, world, around, operation, draft, {
        stored: (next, { removes }) => ({ ...next, at: 'delete', old: removes }),
        taken: { ...me, at: 'unsure' },
        unsure: { ...me, at: 'unsure' },
      })
    }
    case 'delete':
      return deleteOld(me, world, around)
    case 'unsure':
      return readOn(me, world, around)
  }
  throw new TypeError(`unknown place ${me.at satisfies never}`)
}

function build(me: Merge, merges: readonly number[], world: World, { name, rules }: Around): Move<Merge>[] {
  const { store, log } = world
  const { segments, dead } = replay(log, me.head)
  if ((segments & ~store.segments) !== 0) return [move(`${name} misses a segment`, { ...me, at: 'read' }, world)]
  const useless = maskOf(numbersOf(segments).filter((segment) => (store.tables[segment]! & ~dead) === 0))
  const all = packsOf(store, segments)
  const number = merges[me.made]
  const isWorth = numbersOf(segments).length > 1 || (all & dead) !== 0
  const old = number === undefined ? useless : segments
  if (!isWorth || old === 0) return [move(`${name} has nothing to merge`, ended('done', me.acknowledged), world)]
  // A pack that is not `purged` yet keeps its records: it may be lifted, or its purge be unfinished.
  const kept = packsOf(store, old) & ~dead
  const drops = rules.deadForEver ? 0 : packsOf(store, old) & dead & ~packsOf(store, segments & ~old)
  if (number === undefined || kept === 0) {
    return [move(`${name} drops ${list('s', old)}`, { ...me, at: 'swap', old, adds: 0, drops }, world)]
  }
  const next: Merge = { ...me, at: 'swap', made: me.made + 1, old, adds: bit(number), drops }
  return [move(`${name} merges ${list('s', old)} into s${number}`, next, putSegment(world, number, kept))]
}

function deleteOld(me: Merge, world: World, { name, faults }: Around): Move<Merge>[] {
  const after = deleteSegments(world, me.old)
  const end = ended('done', me.acknowledged)
  const tells = `${name} deletes ${list('s', me.old)}`
  const moves: Move<Merge>[] = [move(tells, end, after)]
  if (faults.late.includes('delete segment')) {
    for (const number of numbersOf(me.old)) {
      const late = stillUnderWay(after, { request: 'delete segment', number })
      moves.push(move(`${tells}, and an earlier try for s${number} is still under way`, end, late))
    }
  }
  return moves
}

/** Rule 10: a swap is valid only at the head from which it was built. */
function readOn(me: Merge, world: World, around: Around): Move<Merge>[] {
  const { name, who, rules } = around
  return headsSeen(world, me.head, around).map((head) => {
    const own = rules.ownNonceFirst ? ownEntry(world.log.slice(0, head), me.head, nonceOf(who, operation)) : undefined
    const tells = `${name} reads the log up to ${head}`
    if (own !== undefined) {
      const acknowledged = me.acknowledged | bit(operation)
      return move(`${tells} and finds its swap`, { ...me, at: 'delete', old: own.removes, acknowledged }, world)
    }
    if (head === me.head || !rules.rebuildsSwap) return move(tells, { ...me, at: 'swap', head }, world)
    return move(`${tells} and builds anew`, { ...me, at: 'build', head, old: 0, adds: 0, drops: 0 }, world)
  })
}
