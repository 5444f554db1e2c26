/** A reader: reads one snapshot from the beginning to the end, beside everybody else. */
import { type Around, ended, headsSeen, list, type Move, move } from './client.js'
import { bit, type Mask, numbersOf, packsOf, replay, unreliable, type World } from './store.js'

export interface ReaderSetup {
  readonly kind: 'reader'
  readonly snapshot: number
}

export interface Reader {
  readonly kind: 'reader'
  readonly at: 'open' | 'plan' | 'fetch' | 'again'
  readonly head: number
  /** The packs to fetch from, one after the other. */
  readonly packs: Mask
  readonly acknowledged: 0
}

export const newReader: Reader = { kind: 'reader', at: 'open', head: 0, packs: 0, acknowledged: 0 }

export function readerSteps(me: Reader, setup: ReaderSetup, world: World, around: Around): Move<Reader>[] {
  const { name, rules } = around
  const { log, store } = world
  switch (me.at) {
    case 'open':
      return headsSeen(world, 0, around).map((head) =>
        move(`${name} reads the log up to ${head}`, { ...me, at: 'plan', head }, world),
      )
    case 'plan': {
      const state = replay(log, me.head)
      if ((state.live & bit(setup.snapshot)) === 0)
        return [move(`${name} finds no snapshot`, ended('refused', 0), world)]
      if ((state.segments & ~store.segments) !== 0)
        return [missed(me, `${name} misses a segment`, world, rules.plansAgain)]
      const located = packsOf(store, state.segments) & ~(state.purging | state.dead)
      const packs = plan(around.snapshots[setup.snapshot]!, located, unreliable(state), store.contents)
      if (packs === undefined) return [missed(me, `${name} cannot locate a chunk`, world, rules.plansAgain)]
      return [move(`${name} plans to read ${list('p', packs)}`, { ...me, at: 'fetch', packs }, world)]
    }
    case 'fetch': {
      const [pack] = numbersOf(me.packs)
      if (pack === undefined) return [move(`${name} has read everything`, ended('done', 0), world)]
      if ((store.packs & bit(pack)) === 0) return [missed(me, `${name} misses p${pack}`, world, rules.plansAgain)]
      return [move(`${name} reads p${pack}`, { ...me, packs: me.packs & ~bit(pack) }, world)]
    }
    case 'again':
      // Rule 14: it is damage only where the log says nothing new.
      return headsSeen(world, me.head, around).map((head) =>
        head === me.head
          ? move(`${name} tells of damage`, ended('told of damage', 0), world)
          : move(`${name} reads the log up to ${head}`, { ...me, at: 'plan', head, packs: 0 }, world),
      )
  }
  throw new TypeError(`unknown place ${me.at satisfies never}`)
}

function missed(me: Reader, tells: string, world: World, plansAgain: boolean): Move<Reader> {
  return move(tells, plansAgain ? { ...me, at: 'again', packs: 0 } : ended('told of damage', 0), world)
}

/** One pack for each chunk, rather one that stays. */
function plan(chunks: Mask, packs: Mask, doomed: Mask, contents: readonly Mask[]): Mask | undefined {
  let planned = 0
  let rest = chunks
  for (const pack of [...numbersOf(packs & ~doomed), ...numbersOf(packs & doomed)]) {
    if ((contents[pack]! & rest) === 0) continue
    planned |= bit(pack)
    rest &= ~contents[pack]!
  }
  return rest === 0 ? planned : undefined
}
