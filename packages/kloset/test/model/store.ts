/**
 * The store as the protocol sees it: write-once packs and segments, a log of which each position is claimed once, and requests that
 * are still under way although nobody waits for them.
 */

/** A set of chunks, packs, segments, snapshots or clients: bit n stands for number n. */
export type Mask = number

/** Packs and segments. What a name stands for never changes, so it outlasts the object. */
export interface Store {
  readonly packs: Mask
  readonly segments: Mask
  /** The chunks in each pack that was ever named. */
  readonly contents: readonly Mask[]
  /** The packs in each segment that was ever named. */
  readonly tables: readonly Mask[]
  /** So many entries at the beginning of the log were deleted: never, with rule 12. */
  readonly truncated: number
}

export type EntryKind = 'snapshot' | 'forget' | 'undelete' | 'condemn' | 'suspect' | 'purge' | 'purged' | 'index-swap'

/** What a writer says in an entry. */
export interface Draft {
  readonly kind: EntryKind
  /** Segments that count from now on, and that count no more. */
  readonly adds: Mask
  readonly removes: Mask
  /** Packs that the entry is about; of an `index-swap`, the dead ones whose records it drops. */
  readonly packs: Mask
  readonly lifts: Mask
  readonly snapshots: Mask
}

export const nothing: Omit<Draft, 'kind'> = { adds: 0, removes: 0, packs: 0, lifts: 0, snapshots: 0 }

/** An entry of the log. Its nonce also stands for its hash: the chain is `after`. */
export interface Entry extends Draft {
  readonly nonce: number
  readonly position: number
  readonly after: number
}

export type Log = readonly Entry[]

/** A request that may be carried out at any time, or never. */
export type Late =
  | { readonly request: 'put entry'; readonly entry: Entry }
  | { readonly request: 'put pack' | 'put segment' | 'delete pack' | 'delete segment'; readonly number: number }

export interface World {
  readonly store: Store
  readonly log: Log
  readonly late: readonly Late[]
}

/** What the log says up to a position. */
export interface LogState {
  readonly segments: Mask
  readonly live: Mask
  readonly forgotten: Mask
  /** The fates of packs: each has at most one. */
  readonly suspect: Mask
  readonly condemned: Mask
  readonly purging: Mask
  readonly dead: Mask
}

/** The state after the first `upTo` entries: protocol rules 3 and 4, as packages/kloset/src/log/replay.ts has them. */
export function replay(log: Log, upTo: number = log.length): LogState {
  let states = replayed.get(log)
  if (states === undefined) {
    states = [emptyState]
    for (const entry of log) states.push(apply(states.at(-1)!, entry))
    replayed.set(log, states)
  }
  return states[upTo]!
}

/** Packs on which nothing new may rely (rule 5). */
export function unreliable({ condemned, purging, dead }: LogState): Mask {
  return condemned | purging | dead
}

/** The segments that entries after one position, up to another, removed. */
export function removedIn(log: Log, after: number, upTo: number): Mask {
  let removed = 0
  for (let i = after; i < upTo; i++) removed |= log[i]!.removes
  return removed
}

/** The packs of some segments. */
export function packsOf({ tables }: Store, segments: Mask): Mask {
  return union(tables, segments)
}

/** The chunks of some packs. */
export function chunksOf({ contents }: Store, packs: Mask): Mask {
  return union(contents, packs)
}

export function putPack(world: World, number: number, contents: Mask): World {
  const { store } = world
  return {
    ...world,
    store: { ...store, packs: store.packs | bit(number), contents: store.contents.with(number, contents) },
  }
}

export function putSegment(world: World, number: number, packs: Mask): World {
  const { store } = world
  return {
    ...world,
    store: { ...store, segments: store.segments | bit(number), tables: store.tables.with(number, packs) },
  }
}

export function deletePacks(world: World, packs: Mask): World {
  return { ...world, store: { ...world.store, packs: world.store.packs & ~packs } }
}

export function deleteSegments(world: World, segments: Mask): World {
  return { ...world, store: { ...world.store, segments: world.store.segments & ~segments } }
}

/** Leaves a request under way: see {@link Late}. */
export function stillUnderWay(world: World, late: Late): World {
  const text = JSON.stringify(late)
  if (world.late.some((each) => JSON.stringify(each) === text)) return world
  const all = [...world.late, late]
  all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return { ...world, late: all }
}

/** Appends an entry. Late puts of its position can do nothing any more. */
export function appendEntry(world: World, entry: Entry): World {
  const late = world.late.filter((each) => each.request !== 'put entry' || each.entry.position !== entry.position)
  return { ...world, log: [...world.log, entry], late: late.length === world.late.length ? world.late : late }
}

/** Every request under way, carried out now. */
export function carriedOut(world: World): { readonly tells: string; readonly to: World }[] {
  return world.late.map((each) => {
    const rest = { ...world, late: world.late.filter((other) => other !== each) }
    if (each.request === 'put entry') {
      return { tells: `the lost put of log/${each.entry.position} is applied`, to: appendEntry(rest, each.entry) }
    }
    const { request, number } = each
    const tells = `a lost request to ${request} ${number} is carried out`
    switch (request) {
      case 'put pack':
        return { tells, to: putPack(rest, number, world.store.contents[number]!) }
      case 'put segment':
        return { tells, to: putSegment(rest, number, world.store.tables[number]!) }
      case 'delete pack':
        return { tells, to: deletePacks(rest, bit(number)) }
      case 'delete segment':
        return { tells, to: deleteSegments(rest, bit(number)) }
    }
    throw new TypeError(`unknown request ${request satisfies never}`)
  })
}

export function bit(number: number): Mask {
  return 1 << number
}

/** The numbers in a mask, lowest first. */
export function numbersOf(mask: Mask): number[] {
  const numbers: number[] = []
  for (let rest = mask; rest !== 0; rest &= rest - 1) numbers.push(31 - Math.clz32(rest & -rest))
  return numbers
}

/** The mask of some numbers. */
export function maskOf(numbers: readonly number[]): Mask {
  return numbers.reduce((mask, number) => mask | bit(number), 0)
}

const replayed = new WeakMap<Log, LogState[]>()

const emptyState: LogState = {
  segments: 0,
  live: 0,
  forgotten: 0,
  suspect: 0,
  condemned: 0,
  purging: 0,
  dead: 0,
}

function apply(before: LogState, { kind, adds, removes, packs, lifts, snapshots }: Entry): LogState {
  const state: { -readonly [fact in keyof LogState]: Mask } = { ...before }
  state.segments = (state.segments & ~removes) | adds
  state.suspect &= ~lifts
  state.condemned &= ~lifts
  switch (kind) {
    case 'snapshot':
      state.live |= snapshots
      state.forgotten &= ~snapshots
      break
    case 'forget':
      state.forgotten |= snapshots & state.live
      state.live &= ~snapshots
      break
    case 'undelete':
      state.live |= snapshots & state.forgotten
      state.forgotten &= ~snapshots
      break
    case 'suspect':
      state.suspect |= packs & ~(state.condemned | state.purging | state.dead)
      break
    case 'condemn':
      state.condemned |= packs & ~(state.purging | state.dead)
      state.suspect &= ~packs
      break
    case 'purge':
      state.purging |= packs & ~state.dead
      state.condemned &= ~packs
      state.suspect &= ~packs
      break
    case 'purged':
      state.dead |= packs
      state.suspect &= ~packs
      state.condemned &= ~packs
      state.purging &= ~packs
      break
    case 'index-swap':
      // Only without `deadForEver` does a swap name packs.
      state.dead &= ~packs
      break
    default:
      kind satisfies never
  }
  return state
}

function union(masks: readonly Mask[], which: Mask): Mask {
  let all = 0
  for (let rest = which; rest !== 0; rest &= rest - 1) all |= masks[31 - Math.clz32(rest & -rest)]!
  return all
}
