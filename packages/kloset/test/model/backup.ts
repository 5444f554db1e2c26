/**
 * A backup: reads the log and the index, adopts what interrupted ones left, stores what is missing, and puts its entry; where others came
 * first, it looks again at everything it relies on.
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
import {
  bit,
  chunksOf,
  deletePacks,
  type LogState,
  type Mask,
  maskOf,
  nothing,
  numbersOf,
  packsOf,
  putPack,
  putSegment,
  removedIn,
  replay,
  stillUnderWay,
  unreliable,
  type World,
} from './store.js'

/** What one backup is to do, and the names that its random salts give to what it stores. */
export interface BackupSetup {
  readonly kind: 'backup'
  /** The snapshot it makes: which chunks, the model's table of snapshots tells. */
  readonly snapshot: number
  /** A snapshot whose unchanged parts are not walked, and the chunks in them. */
  readonly parent?: number
  readonly inherits?: Mask
  /** Whether it looks for what interrupted backups left. */
  readonly adopts?: boolean
  /** Whether it may lift what it relies on, or always stores again. */
  readonly mayLift?: boolean
  readonly packs: readonly number[]
  readonly segments: readonly number[]
}

export interface Backup extends Reading {
  readonly kind: 'backup'
  readonly at: 'open' | 'load' | 'adopt' | 'mark' | 'pack' | 'segment' | 'commit' | 'unsure' | 'forgetful'
  /** Packs in which it found or stored what it needs. */
  readonly relies: Mask
  readonly lifts: Mask
  /** Segments that its entry will name. */
  readonly names: Mask
  /** Packs that it stored or adopted and that no segment has yet. */
  readonly unnamed: Mask
  /** Chunks to store. */
  readonly missing: Mask
  readonly packsMade: number
  readonly segmentsMade: number
  /** Whether the whole tree is resolved: always without a parent. */
  readonly walks: boolean
}

export const newBackup: Backup = {
  kind: 'backup',
  at: 'open',
  head: 0,
  acknowledged: 0,
  relies: 0,
  lifts: 0,
  names: 0,
  unnamed: 0,
  missing: 0,
  packsMade: 0,
  segmentsMade: 0,
  walks: false,
}

export function backupSteps(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const { name } = around
  switch (me.at) {
    case 'open':
      return headsSeen(world, 0, around).map((head) =>
        move(`${name} reads the log up to ${head}`, { ...me, at: 'load', head }, world),
      )
    case 'load':
      return load(me, setup, world, around)
    case 'adopt':
      return adopt(me, setup, world, around)
    case 'mark':
    case 'pack':
    case 'segment':
      return store(me, setup, world, around)
    case 'commit':
      return commit(me, setup, world, around)
    case 'unsure':
    case 'forgetful':
      return readOn(me, setup, world, around)
  }
  throw new TypeError(`unknown place ${me.at satisfies never}`)
}

function load(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const { name } = around
  const state = replay(world.log, me.head)
  const index = indexAt(world, state, around)
  // A segment that is gone was merged into another: read on.
  if (index === undefined) {
    return [move(`${name} misses a segment`, { ...me, at: 'open' }, world)]
  }
  if (setup.adopts) return [move(`${name} loads the index`, { ...me, at: 'adopt' }, world)]
  return planned(me, me.head, index, setup, world, around).map((next) => move(`${name} loads the index`, next, world))
}

/** Rule 2: takes orphan segments, and orphan packs by their footers. */
function adopt(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const { rules, name } = around
  const { store, log } = world
  const state = replay(log, me.head)
  const located = packsOf(store, around.rules.logNamesSegments ? state.segments : store.segments)
  return listingsOf(world, around).flatMap((listed) => {
    let names = me.names
    for (const segment of numbersOf(store.segments & ~state.segments)) {
      const packs = store.tables[segment]!
      if (rules.adoptsOnlyStored && (packs & ~listed) !== 0) continue
      if (rules.adoptsOnlyUnlogged && (packs & located) !== 0) continue
      names |= bit(segment)
    }
    const unnamed = listed & ~located & ~packsOf(store, names) & ~unreliable(state)
    const adopted = { ...me, names, unnamed: me.unnamed | unnamed }
    const tells =
      names === me.names && unnamed === 0
        ? `${name} finds nothing to adopt`
        : `${name} adopts ${list('s', names & ~me.names)} ${list('p', unnamed)}`
    return planned(adopted, me.head, located, setup, world, around).map((next) => move(tells, next, world))
  })
}

/** The segment of the first pack goes ahead of it, as a mark for whoever comes after an interruption; later ones follow their packs. */
function store(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const { name, faults } = around
  const moves: Move<Backup>[] = []
  const put = (request: 'put pack' | 'put segment', number: number, next: Backup, after: World): void => {
    const tells = `${name} stores ${request === 'put pack' ? 'p' : 's'}${number}`
    moves.push(move(tells, next, after))
    if (!faults.late.includes(request)) return
    moves.push(move(`${tells}, and an earlier try is still under way`, next, stillUnderWay(after, { request, number })))
  }
  const segment = setup.segments[me.segmentsMade]
  if (me.at === 'segment') {
    if (segment === undefined) return [move(`${name} gives up`, ended('gave up', me.acknowledged), world)]
    const next: Backup = {
      ...me,
      at: 'commit',
      names: me.names | bit(segment),
      segmentsMade: me.segmentsMade + 1,
      unnamed: 0,
    }
    put('put segment', segment, next, putSegment(world, segment, me.unnamed))
    return moves
  }
  const pack = twin(me, world, around) ?? setup.packs[me.packsMade]
  if (pack === undefined) return [move(`${name} gives up`, ended('gave up', me.acknowledged), world)]
  if (me.at === 'mark') {
    const next: Backup = { ...me, at: 'pack', names: me.names | bit(segment!), segmentsMade: me.segmentsMade + 1 }
    // What the pack will hold is known already, though it is not there.
    const named = putPack(world, pack, me.missing).store.contents
    const marked = putSegment(world, segment!, bit(pack))
    put('put segment', segment!, next, { ...marked, store: { ...marked.store, contents: named } })
    return moves
  }
  const isFirst = me.packsMade === 0
  const unnamed = isFirst ? me.unnamed : me.unnamed | bit(pack)
  const next: Backup = {
    ...me,
    at: unnamed === 0 ? 'commit' : 'segment',
    relies: me.relies | bit(pack),
    unnamed,
    missing: 0,
    packsMade: me.packsMade + 1,
  }
  put('put pack', pack, next, putPack(world, pack, me.missing))
  return moves
}

function commit(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const draft = {
    ...nothing,
    kind: 'snapshot',
    adds: me.names,
    lifts: around.rules.lifts ? me.lifts : 0,
    snapshots: bit(setup.snapshot),
  } as const
  return putEntry(me, world, around, 0, draft, {
    stored: ({ acknowledged }) => ended('done', acknowledged),
    taken: { ...me, at: 'unsure' },
    unsure: { ...me, at: around.rules.ownNonceFirst ? 'unsure' : 'forgetful' },
  })
}

/** After the position was taken, or nobody said: what came since? */
function readOn(me: Backup, setup: BackupSetup, world: World, around: Around): Move<Backup>[] {
  const { name, who, rules } = around
  const moves: Move<Backup>[] = []
  if (!rules.deletesNothingAfterDoubt) {
    const mine = maskOf(setup.packs.slice(0, me.packsMade))
    const tells = `${name} gives up and deletes what it stored`
    moves.push(move(tells, ended('gave up', me.acknowledged), deletePacks(world, mine)))
  }
  for (const head of headsSeen(world, me.head, around)) {
    if (me.at !== 'forgetful' && ownEntry(world.log.slice(0, head), me.head, nonceOf(who, 0)) !== undefined) {
      moves.push(move(`${name} finds its entry in the log`, ended('done', me.acknowledged | 1), world))
    } else if (head === me.head) {
      moves.push(move(`${name} finds nothing new in the log`, { ...me, at: 'commit' }, world))
    } else {
      const tells = `${name} reads the log up to ${head}`
      const index = indexAt(world, replay(world.log, head), around)
      if (index === undefined) continue
      for (const next of planned(me, head, index, setup, world, around)) moves.push(move(tells, next, world))
    }
  }
  return moves
}

/**
 * What the backup does next, as of a head: rules 4, 5 and 6. It keeps to what it relied on before where the log has nothing against
 * that, and does not look at the index again for it.
 */
function planned(me: Backup, head: number, index: Mask, setup: BackupSetup, world: World, around: Around): Backup[] {
  const { rules, snapshots } = around
  const { store, log } = world
  const state = replay(log, head)
  const removed = removedIn(log, me.head, head)
  const spoiled = unreliable(state)
  const relies = rules.tailCheck ? me.relies & ~spoiled : me.relies
  const hasParent = setup.parent !== undefined && (state.live & bit(setup.parent)) !== 0
  const walks = me.walks || (!hasParent && (rules.parentIsReliance || me.at === 'load' || me.at === 'adopt'))
  const wanted = snapshots[setup.snapshot]! & ~(walks ? 0 : (setup.inherits ?? 0))

  let names = me.names
  for (const segment of numbersOf(me.names)) {
    const isDead = (store.tables[segment]! & ~(state.purging | state.dead)) === 0
    if (rules.leavesOutDead && isDead) names &= ~bit(segment)
    if (rules.removedStaysRemoved && (removed & bit(segment)) !== 0) names &= ~bit(segment)
  }
  const known = index | packsOf(store, names) | me.unnamed
  const found = pick(world, wanted & ~chunksOf(store, relies), known & ~spoiled)
  const kept = { ...me, head, walks, names, relies: relies | found }
  const missing = wanted & ~chunksOf(store, kept.relies)
  // Packs of its own that were suspected are no longer: it names them.
  const cleared = state.suspect & kept.relies

  const plans = [proceed({ ...kept, lifts: cleared, missing })]
  const liftable = pick(world, missing, known & state.condemned)
  if (setup.mayLift && liftable !== 0) {
    const lifted = { ...kept, relies: kept.relies | liftable, lifts: cleared | liftable }
    plans.push(proceed({ ...lifted, missing: missing & ~chunksOf(store, liftable) }))
  }
  return plans
}

function proceed(me: Backup): Backup {
  if (me.missing !== 0) return { ...me, at: me.packsMade === 0 ? 'mark' : 'pack' }
  return { ...me, at: me.unnamed === 0 ? 'commit' : 'segment' }
}

/** The packs that the index locates; undefined where a segment that the log names is not there. */
function indexAt({ store }: World, state: LogState, { rules }: Around): Mask | undefined {
  if (!rules.logNamesSegments) return packsOf(store, store.segments)
  return (state.segments & ~store.segments) === 0 ? packsOf(store, state.segments) : undefined
}

/** Of some packs, one for each chunk: the lowest. */
function pick({ store }: World, chunks: Mask, packs: Mask): Mask {
  let picked = 0
  let rest = chunks
  for (const pack of numbersOf(packs)) {
    if ((store.contents[pack]! & rest) === 0) continue
    picked |= bit(pack)
    rest &= ~store.contents[pack]!
  }
  return picked
}

/** Without rule 11 a pack is named after what it holds. */
function twin(me: Backup, { store }: World, { rules }: Around): number | undefined {
  if (rules.uniqueNames) return undefined
  const number = store.contents.indexOf(me.missing)
  return number < 0 ? undefined : number
}
