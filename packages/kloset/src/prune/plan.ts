import type { LogState, PackFate } from '../log/index.js'
import type { Copies } from './copies.js'
import type { PackFacts } from './survey.js'

/** What is known when a prune decides. Packs are named by 64 hexadecimal digits. */
export interface Situation {
  readonly state: LogState
  /** The packs that are there, with their sizes. */
  readonly listed: ReadonlyMap<string, number>
  /** The packs that the log's segments name. */
  readonly named: ReadonlyMap<string, PackFacts>
  /** The packs that only segments name which the log does not: of backups that run, or were interrupted. */
  readonly promised: ReadonlySet<string>
  readonly copies: Copies
  /** Milliseconds since 1970, and how long a suspicion must last. */
  readonly now: number
  readonly grace: number
}

/** What to say of packs. */
export interface Plan {
  /** An earlier prune began to delete them. */
  readonly unfinished: readonly string[]
  /** Deleted long ago, and there again: a put was applied late. */
  readonly revenants: readonly string[]
  /** Seen without an entry that names them, for the first time. */
  readonly suspect: readonly string[]
  readonly condemn: {
    /** Snapshots need nothing in them. */
    readonly unneeded: readonly string[]
    /** All that is needed of them is in other packs too. */
    readonly redundant: readonly string[]
    /** Suspected for long enough. */
    readonly suspected: readonly string[]
  }
  /** Condemned although something in them is needed: nobody who goes by the rules leaves such. */
  readonly lift: readonly string[]
}

/** Decides what to say of packs in a situation (protocol rules 3, 8 and 13). */
export function planOf({ state, listed, named, promised, copies, now, grace }: Situation): Plan {
  const fateOf = (name: string): PackFate['fate'] | undefined => state.packs.get(name)?.fate
  const ofFate = (fate: PackFate['fate']): string[] =>
    [...state.packs].filter((each) => each[1].fate === fate).map(([name]) => name)
  const unlogged = [...new Set([...listed.keys(), ...promised])].filter((name) => !named.has(name))
  const isStanding = (name: string): boolean => fateOf(name) === undefined || fateOf(name) === 'suspect'
  return {
    unfinished: ofFate('purging').sort(),
    revenants: ofFate('dead')
      .filter((name) => listed.has(name))
      .sort(),
    suspect: unlogged.filter((name) => fateOf(name) === undefined).sort(),
    condemn: {
      unneeded: [...named.values()]
        .filter(({ name, live }) => live === 0 && isStanding(name))
        .map(({ name }) => name)
        .sort(),
      redundant: [...copies.redundant].sort(),
      suspected: unlogged.filter((name) => isStanding(name) && isDue(state.packs.get(name), now, grace)).sort(),
    },
    lift: [...copies.needed].sort(),
  }
}

/** The condemned packs that may be deleted now. */
export function duePacks(state: LogState, spared: (name: string) => boolean, now: number, delay: number): string[] {
  return [...state.packs]
    .filter(([name, fate]) => fate.fate === 'condemned' && isDue(fate, now, delay) && !spared(name))
    .map(([name]) => name)
    .sort()
}

/** Whether what an entry said of a pack is so long ago; what is said only now is, where nothing is to be waited for. */
function isDue(fate: PackFate | undefined, now: number, wait: number): boolean {
  return wait <= 0 || (fate !== undefined && now - fate.time >= wait)
}
