/** What all clients have in common: how they read the log, and how they put an entry. */
import type { Step } from './check.js'
import type { Rules } from './rules.js'
import {
  appendEntry,
  bit,
  type Draft,
  type Entry,
  type Log,
  type Mask,
  numbersOf,
  replay,
  stillUnderWay,
  type World,
} from './store.js'

/** What can go wrong besides. */
export interface Faults {
  /** Clients that may stop at any step. */
  readonly crash: Mask
  /** Clients whose puts of log entries may be left without an answer: applied at once, later, or never. */
  readonly lostPuts: Mask
  /** Requests of which an earlier try may still be under way when a later one was answered. */
  readonly late: readonly ('put pack' | 'put segment' | 'delete pack' | 'delete segment')[]
  /** Whether reading the log may miss its newest entries. */
  readonly staleLog: boolean
  /** Whether a listing may still show packs that were deleted, or not yet show one that was stored. */
  readonly staleList: boolean
}

export const noFaults: Faults = { crash: 0, lostPuts: 0, late: [], staleLog: false, staleList: false }

/** What a client needs to know of the model it is in. */
export interface Around {
  readonly rules: Rules
  readonly faults: Faults
  /** The chunks of every snapshot. */
  readonly snapshots: readonly Mask[]
  /** Which client this is, and its name. */
  readonly who: number
  readonly name: string
  /** The clients that have not ended. */
  readonly running: Mask
}

/** What a client remembers while it works on the log. */
export interface Reading {
  /** The log is known up to here. */
  readonly head: number
  /** Which of its entries are known to be in the log: bit n is its entry n. */
  readonly acknowledged: Mask
}

/** A client that does nothing any more. `refused`: it told the user that it cannot be done. */
export interface Ended {
  readonly kind: 'ended'
  readonly how: 'done' | 'crashed' | 'refused' | 'gave up' | 'told of damage'
  readonly acknowledged: Mask
}

/** What becomes of a client and the world: a step as a machine makes it. */
export type Move<C> = Step<{ readonly me: C | Ended; readonly world: World }>

export function move<C>(tells: string, me: C | Ended, world: World): Move<C> {
  return { tells, to: { me, world } }
}

export function ended(how: Ended['how'], acknowledged: Mask): Ended {
  return { kind: 'ended', how, acknowledged }
}

/** The positions up to which a client can find the log written, when it reads on after `head`. */
export function headsSeen({ log }: World, head: number, { faults }: Around): number[] {
  if (!faults.staleLog) return [log.length]
  return Array.from({ length: log.length - head + 1 }, (_, i) => head + i)
}

/** The packs that a listing can show: where it can be stale, also those deleted, or all but one. */
export function listingsOf({ store, log }: World, { faults }: Around): Mask[] {
  if (!faults.staleList) return [store.packs]
  const { purging, dead } = replay(log)
  return [store.packs, store.packs | purging | dead, ...numbersOf(store.packs).map((pack) => store.packs & ~bit(pack))]
}

/** By this an entry is known again: client `who` puts its entry `operation`, in however many tries. */
export function nonceOf(who: number, operation: number): number {
  return (who + 1) * 16 + operation
}

/** The client's own entry among those after `head` (rule 7). */
export function ownEntry(log: Log, head: number, nonce: number): Entry | undefined {
  return log.find((entry) => entry.position > head && entry.nonce === nonce)
}

/**
 * One try to put an entry right after the head that is known, without reading the log first: that it succeeds proves that nothing
 * came in between. `stored` is the client after it was answered, `unsure` after it was not, `taken` after the answer that there
 * is an entry already.
 */
export function putEntry<C extends Reading>(
  me: C,
  world: World,
  around: Around,
  operation: number,
  draft: Draft,
  next: { readonly stored: (me: C, entry: Entry) => C | Ended; readonly taken: C; readonly unsure: C },
): Move<C>[] {
  const { name, who, faults } = around
  const position = me.head + 1
  const nonce = nonceOf(who, operation)
  const entry: Entry = { ...draft, nonce, position, after: world.log[me.head - 1]?.nonce ?? 0 }
  const known = { ...me, head: position, acknowledged: me.acknowledged | bit(operation) }
  if (position <= world.store.truncated) {
    return [move(`${name} puts ${draft.kind} where an entry was deleted`, next.stored(known, entry), world)]
  }
  if (position <= world.log.length) return [move(`${name} finds log/${position} taken`, next.taken, world)]
  const moves = [
    move(`${name} puts ${sentenceOf(draft)} as log/${position}`, next.stored(known, entry), appendEntry(world, entry)),
  ]
  if ((faults.lostPuts & bit(who)) === 0) return moves
  const late = stillUnderWay(world, { request: 'put entry', entry })
  return [...moves, move(`${name} puts ${sentenceOf(draft)} as log/${position} and gets no answer`, next.unsure, late)]
}

/** An entry in words: packs are p0, p1, …, segments s0, s1, …, snapshots S0, S1, … */
function sentenceOf({ kind, adds, removes, packs, lifts, snapshots }: Draft): string {
  const parts = [
    list('S', snapshots),
    list('p', packs),
    adds === 0 ? '' : `adds ${list('s', adds)}`,
    removes === 0 ? '' : `removes ${list('s', removes)}`,
    lifts === 0 ? '' : `lifts ${list('p', lifts)}`,
  ]
  return [kind, ...parts.filter((part) => part !== '')].join(' ')
}

/** The members of a mask, with a letter before each. */
export function list(letter: string, mask: Mask): string {
  return Array.from({ length: 32 }, (_, i) => i)
    .filter((number) => (mask & bit(number)) !== 0)
    .map((number) => letter + number)
    .join(' ')
}
