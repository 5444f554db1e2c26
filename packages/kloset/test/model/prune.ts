/**
 * A prune: marks what live snapshots need, suspects what the log does not name, condemns what nobody needs (with copies elsewhere of
 * what it repacks), and later purges: the entry first, then the deletes, then the entry that says so.
 */
import {
  type Around,
  ended,
  headsSeen,
  list,
  listingsOf,
  type Move,
  move,
  nonceOf,
  ownEntry,
  putEntry,
  type Reading,
} from './client.js'
import { type Merge, newMerge } from './merge.js'
import {
  bit,
  chunksOf,
  deletePacks,
  deleteSegments,
  type Entry,
  type Mask,
  maskOf,
  nothing,
  numbersOf,
  packsOf,
  putPack,
  putSegment,
  removedIn,
  replay,
  type Store,
  stillUnderWay,
  unreliable,
  type World,
} from './store.js'

export interface PruneSetup {
  readonly kind: 'prune'
  /** Of several copies, which it keeps. */
  readonly keeps: 'lowest' | 'highest'
  /** Whether it only purges what others condemned. */
  readonly onlyPurges?: boolean
  /** Whether it stops once it has condemned: somebody else purges. */
  readonly onlyCondemns?: boolean
  /** Whether it merges the index at the end, and with which names for the segments. */
  readonly merges?: readonly number[]
  /** Whether it deletes segments that the log does not name and never will. */
  readonly cleans?: boolean
  /** Names for what it repacks. */
  readonly packs?: readonly number[]
  readonly segments?: readonly number[]
  /** Clients that are never older than the grace of suspects: for liveness (rule 13). Safety takes no clock for granted. */
  readonly patientWith?: Mask
}

export interface Prune extends Reading {
  readonly kind: 'prune'
  readonly at:
    | 'read'
    | 'look'
    | 'suspect'
    | 'repack'
    | 'repacked'
    | 'condemn'
    | 'condemn later'
    | 'replay'
    | 'purge'
    | 'delete'
    | 'purged'
    | 'clean'
    | 'unsure'
  /** The entry that it is unsure about. */
  readonly of: Operation
  readonly suspects: Mask
  readonly condemns: Mask
  /** Suspected when it began: by a prune before. */
  readonly old: Mask
  /** What goes into the next repacked pack, and the segments of those stored. */
  readonly copies: Mask
  readonly names: Mask
  readonly made: number
  /** Packs named in `purge`, and those still to delete. */
  readonly purges: Mask
  readonly deletes: Mask
}

type Operation = 'suspect' | 'condemn' | 'condemn later' | 'purge' | 'purged'

const operations: readonly Operation[] = ['suspect', 'condemn', 'condemn later', 'purge', 'purged']

export const newPrune: Prune = {
  kind: 'prune',
  at: 'read',
  head: 0,
  acknowledged: 0,
  of: 'condemn',
  suspects: 0,
  condemns: 0,
  old: 0,
  copies: 0,
  names: 0,
  made: 0,
  purges: 0,
  deletes: 0,
}

export function pruneSteps(me: Prune, setup: PruneSetup, world: World, around: Around): Move<Prune | Merge>[] {
  const { name, rules } = around
  switch (me.at) {
    case 'read':
      return headsSeen(world, me.head, around).map((head) => {
        const old = me.head === 0 ? replay(world.log, head).suspect : me.old
        const next: Prune = { ...me, at: setup.onlyPurges ? 'replay' : 'look', head, old }
        return move(`${name} reads the log up to ${head}`, next, world)
      })
    case 'look':
      return look(me, setup, world, around)
    case 'suspect': {
      const draft = { ...nothing, kind: 'suspect', packs: me.suspects } as const
      return put(me, world, around, 'suspect', draft, afterSuspects)
    }
    case 'repack':
    case 'repacked':
      return repack(me, setup, world, around)
    case 'condemn': {
      const draft = { ...nothing, kind: 'condemn', adds: rules.repackIsOneEntry ? me.names : 0 } as const
      return put(me, world, around, 'condemn', { ...draft, packs: me.condemns }, afterCondemn(setup, around))
    }
    case 'condemn later': {
      const draft = { ...nothing, kind: 'condemn', adds: me.names } as const
      return put(me, world, around, 'condemn later', draft, (next) => ({ ...next, at: 'replay', names: 0 }))
    }
    case 'replay':
      return choosePurge(me, setup, world, around)
    case 'purge': {
      const draft = { ...nothing, kind: 'purge', packs: me.purges } as const
      return put(me, world, around, 'purge', draft, (next, { packs }) => ({ ...next, at: 'delete', deletes: packs }))
    }
    case 'delete':
      return deleteNext(me, world, around)
    case 'purged': {
      const draft = { ...nothing, kind: 'purged', packs: me.purges } as const
      return put(me, world, around, 'purged', draft, (next) => afterPurged(next, setup))
    }
    case 'clean':
      return clean(me, setup, world, around)
    case 'unsure':
      return readOn(me, setup, world, around)
  }
  throw new TypeError(`unknown place ${me.at satisfies never}`)
}

function put(
  me: Prune,
  world: World,
  around: Around,
  of: Operation,
  draft: Parameters<typeof putEntry>[4],
  stored: (me: Prune, entry: Entry) => Prune | Merge | ReturnType<typeof ended>,
): Move<Prune | Merge>[] {
  const unsure: Prune = { ...me, at: 'unsure', of }
  return putEntry<Prune | Merge>(me, world, around, operations.indexOf(of), draft, {
    stored: (next, entry) => stored(next as Prune, entry),
    taken: unsure,
    unsure,
  })
}

/** Marks and chooses, as of the head, the index there, and what is listed. */
function look(me: Prune, setup: PruneSetup, world: World, around: Around): Move<Prune>[] {
  const { rules, name, snapshots } = around
  const { store, log } = world
  const state = replay(log, me.head)
  const named = rules.logNamesSegments ? state.segments : store.segments
  if ((named & ~store.segments) !== 0) return [move(`${name} misses a segment`, { ...me, at: 'read' }, world)]
  return listingsOf(world, around).map((listed) => {
    const located = packsOf(store, named)
    const needed = numbersOf(state.live).reduce((all, snapshot) => all | snapshots[snapshot]!, 0)
    const good = located & ~unreliable(state)
    const there = rules.countsOnlyListed ? good & listed : good
    const isDead = (segment: number): boolean => (store.tables[segment]! & ~(state.purging | state.dead)) === 0
    const names = me.names & ~(rules.leavesOutDead ? maskOf(numbersOf(me.names).filter(isDead)) : 0)
    const mine = packsOf(store, names) & ~unreliable(state)
    const keeps = choose(store, needed & ~chunksOf(store, mine), there, setup.keeps)
    // A kept pack with something nobody needs in it is repacked, where this prune repacks.
    const wasteful = setup.packs === undefined ? 0 : wastefulOf(store, keeps, needed)
    const stays = mine | (keeps & ~wasteful)
    const copies = chunksOf(store, wasteful) & needed & ~chunksOf(store, stays)
    // What has something needed of which no copy is seen to stay is left alone: it may only be missing in the listing.
    const isCopied = (pack: number): boolean =>
      (store.contents[pack]! & needed & ~(chunksOf(store, stays) | copies)) === 0
    const others = numbersOf(good & ~stays)
    const unneeded = maskOf(rules.condemnsOnlyCopied ? others.filter(isCopied) : others)
    // What a segment promises that no entry names counts, whether it is there or not.
    const promised = packsOf(store, store.segments & ~named)
    const unlogged = (listed | promised) & ~located & ~mine & ~unreliable(state)
    const isPatient = setup.patientWith !== undefined && (around.running & setup.patientWith) !== 0
    const orphans = rules.suspectsFirst ? (isPatient ? 0 : state.suspect & me.old) : unlogged
    const next: Prune = {
      ...me,
      // Once in a run: what comes later is a matter for the next.
      suspects: rules.suspectsFirst && (me.acknowledged & 1) === 0 ? unlogged & ~state.suspect : 0,
      condemns: unneeded | (unlogged & orphans),
      names,
      copies,
    }
    const tells = `${name} looks: ${list('p', next.condemns) || 'no pack'} can be condemned`
    return move(tells, next.suspects === 0 ? afterSuspects(next) : { ...next, at: 'suspect' }, world)
  })
}

function afterSuspects(me: Prune): Prune {
  if (me.copies !== 0) return { ...me, at: 'repack', suspects: 0 }
  return { ...me, at: me.condemns === 0 ? 'replay' : 'condemn', suspects: 0 }
}

/** Stores a copy of what is needed of the packs to be condemned, and a segment that names it. */
function repack(me: Prune, setup: PruneSetup, world: World, { name }: Around): Move<Prune>[] {
  const pack = setup.packs?.[me.made]
  const segment = setup.segments?.[me.made]
  if (pack === undefined || segment === undefined)
    return [move(`${name} gives up`, ended('gave up', me.acknowledged), world)]
  if (me.at === 'repack')
    return [move(`${name} repacks into p${pack}`, { ...me, at: 'repacked' }, putPack(world, pack, me.copies))]
  const next: Prune = { ...me, at: 'condemn', names: me.names | bit(segment), made: me.made + 1, copies: 0 }
  return [move(`${name} stores s${segment}`, next, putSegment(world, segment, bit(pack)))]
}

function afterCondemn(
  { onlyCondemns }: PruneSetup,
  { rules }: Around,
): (me: Prune, entry: Entry) => Prune | ReturnType<typeof ended> {
  return (me, { packs }) => {
    if (onlyCondemns) return ended('done', me.acknowledged)
    const next = { ...me, condemns: 0, copies: 0 }
    if (!rules.purgeIsEntry) return { ...next, at: 'delete', purges: packs, deletes: packs, names: 0 }
    if (!rules.repackIsOneEntry && me.names !== 0) return { ...next, at: 'condemn later' }
    return { ...next, at: 'replay', names: 0 }
  }
}

/** Rule 3: `purge` names what is condemned at a head that was replayed to its end; that it is put there proves that it still is. */
function choosePurge(me: Prune, setup: PruneSetup, world: World, around: Around): Move<Prune | Merge>[] {
  return headsSeen(world, me.head, around).map((head) => {
    const { condemned, purging } = replay(world.log, head)
    const tells = `${around.name} reads the log up to ${head}, to purge`
    const next: Prune = { ...me, head, purges: condemned }
    if (condemned !== 0) return move(tells, { ...next, at: 'purge' }, world)
    // A prune that was interrupted is finished.
    if (purging !== 0) return move(tells, { ...next, at: 'delete', purges: purging, deletes: purging }, world)
    return move(tells, afterPurged(next, setup), world)
  })
}

function deleteNext(me: Prune, world: World, { name, faults }: Around): Move<Prune>[] {
  const [pack] = numbersOf(me.deletes)
  const deletes = me.deletes & ~bit(pack!)
  const next: Prune = { ...me, deletes, at: deletes === 0 ? 'purged' : 'delete' }
  const after = deletePacks(world, bit(pack!))
  const tells = `${name} deletes p${pack}`
  const moves = [move(tells, next, after)]
  if (faults.late.includes('delete pack')) {
    const late = stillUnderWay(after, { request: 'delete pack', number: pack! })
    moves.push(move(`${tells}, and an earlier try is still under way`, next, late))
  }
  return moves
}

function afterPurged(me: Prune, setup: PruneSetup): Prune | Merge | ReturnType<typeof ended> {
  if (setup.cleans) return { ...me, at: 'clean', purges: 0, deletes: 0, condemns: 0 }
  return setup.merges === undefined ? ended('done', me.acknowledged) : { ...newMerge, acknowledged: me.acknowledged }
}

/** Segments that no entry names and all of whose packs are dead: no entry will ever name them. */
function clean(me: Prune, setup: PruneSetup, world: World, around: Around): Move<Prune | Merge>[] {
  const { store, log } = world
  return headsSeen(world, me.head, around).map((head) => {
    const { segments, dead, purging } = replay(log, head)
    const useless = numbersOf(store.segments & ~segments).filter(
      (segment) => (store.tables[segment]! & ~(dead | purging)) === 0,
    )
    const mask = maskOf(useless)
    const next = afterPurged(me, { ...setup, cleans: false })
    return move(`${around.name} deletes the useless segments ${list('s', mask)}`, next, deleteSegments(world, mask))
  })
}

function readOn(me: Prune, setup: PruneSetup, world: World, around: Around): Move<Prune | Merge>[] {
  const { name, who, rules } = around
  const operation = operations.indexOf(me.of)
  return headsSeen(world, me.head, around).map((head) => {
    const own = rules.ownNonceFirst ? ownEntry(world.log.slice(0, head), me.head, nonceOf(who, operation)) : undefined
    const tells = `${name} reads the log up to ${head}`
    if (own !== undefined) {
      const known: Prune = { ...me, head: own.position, acknowledged: me.acknowledged | bit(operation) }
      return move(`${tells} and finds its ${me.of}`, foundOwn(known, own, setup, around), world)
    }
    const removed = rules.removedStaysRemoved ? removedIn(world.log, me.head, head) : 0
    const chosenAnew: Prune = { ...me, names: me.names & ~removed, condemns: 0, suspects: 0 }
    const isSame = head === me.head || (!rules.choosesAgain && me.of === 'condemn')
    if (isSame) return move(tells, { ...me, head, at: me.of }, world)
    switch (me.of) {
      case 'suspect':
      case 'condemn':
        return move(`${tells} and chooses again`, { ...chosenAnew, head, at: 'look' }, world)
      case 'condemn later':
      case 'purged':
        return move(tells, { ...me, head, at: me.of }, world)
      case 'purge':
        return move(`${tells} and chooses again`, { ...me, head, at: 'replay', purges: 0 }, world)
    }
    throw new TypeError(`unknown entry ${me.of satisfies never}`)
  })
}

/** Goes on as when the put had been answered: with what the entry says, not with what would be said now. */
function foundOwn(me: Prune, own: Entry, setup: PruneSetup, around: Around): Prune | Merge | ReturnType<typeof ended> {
  switch (me.of) {
    case 'suspect':
      // The marks are of before: others came since.
      return { ...me, at: 'look', suspects: 0, condemns: 0 }
    case 'condemn':
      return afterCondemn(setup, around)(me, own)
    case 'condemn later':
      return { ...me, at: 'replay', names: 0 }
    case 'purge':
      return { ...me, at: 'delete', purges: own.packs, deletes: own.packs }
    case 'purged':
      return afterPurged(me, setup)
  }
  throw new TypeError(`unknown entry ${me.of satisfies never}`)
}

/** Of the packs that are there, one for each chunk. */
function choose({ contents }: Store, chunks: Mask, packs: Mask, which: 'lowest' | 'highest'): Mask {
  let chosen = 0
  let rest = chunks
  const numbers = numbersOf(packs)
  for (const pack of which === 'lowest' ? numbers : numbers.reverse()) {
    if ((contents[pack]! & rest) === 0) continue
    chosen |= bit(pack)
    rest &= ~contents[pack]!
  }
  return chosen
}

function wastefulOf({ contents }: Store, packs: Mask, needed: Mask): Mask {
  return maskOf(numbersOf(packs).filter((pack) => (contents[pack]! & ~needed) !== 0))
}
