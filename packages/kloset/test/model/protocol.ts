/** The whole model: the store, its clients, what can go wrong, and what never must. */
import { type Backup, type BackupSetup, backupSteps, newBackup } from './backup.js'
import type { Goal, Model, Step } from './check.js'
import { type Around, type Ended, ended, type Faults, type Move, noFaults } from './client.js'
import { type Forget, type ForgetSetup, forgetSteps, newForget } from './forget.js'
import { type Merge, type MergeSetup, mergeSteps, newMerge } from './merge.js'
import { newPrune, type Prune, type PruneSetup, pruneSteps } from './prune.js'
import { newReader, type Reader, type ReaderSetup, readerSteps } from './reader.js'
import { allRules, type Rules } from './rules.js'
import {
  bit,
  carriedOut,
  chunksOf,
  type Draft,
  type Late,
  type Log,
  type Mask,
  nothing,
  numbersOf,
  packsOf,
  replay,
  type World,
} from './store.js'

export type Setup = BackupSetup | PruneSetup | MergeSetup | ForgetSetup | ReaderSetup

/** Gives names to packs and segments that nobody has used yet. */
export interface Names {
  packs(count: number): number[]
  segments(count: number): number[]
}

/** A store and who works on it at the same time. Chunks, packs, segments and snapshots are numbers; sets of them are masks. */
export interface Scenario {
  readonly name: string
  /** How many states there are. */
  readonly states: number
  /** The chunks of every snapshot that is in the log or will be. */
  readonly snapshots: readonly Mask[]
  /** What is there at the beginning: the chunks in each pack, the packs in each segment, the entries of the log. */
  readonly packs: readonly Mask[]
  readonly segments: readonly Mask[]
  readonly log: readonly (Pick<Draft, 'kind'> & Partial<Draft>)[]
  /** Packs that are lost although the log says otherwise. */
  readonly lost?: Mask
  /** Requests of before that are still under way. */
  readonly late?: readonly Late[]
  readonly clients: (names: Names) => Readonly<Record<string, Setup>>
  readonly faults?: Partial<Faults>
  /** Whether somebody, against rule 12, deletes entries from the log. */
  readonly truncates?: boolean
  /** What must hold besides. */
  readonly also?: (state: State) => string | undefined
}

export type Client = Backup | Prune | Merge | Forget | Reader | Ended

export interface State extends World {
  readonly clients: readonly Client[]
}

/** The model of a scenario under some rules. */
export function protocol(scenario: Scenario, rules: Rules = allRules): Model<State> {
  const counts = { packs: scenario.packs.length, segments: scenario.segments.length }
  const take = (what: 'packs' | 'segments') => (count: number) => Array.from({ length: count }, () => counts[what]++)
  const setups = Object.entries(scenario.clients({ packs: take('packs'), segments: take('segments') }))
  if (Math.max(counts.packs, counts.segments) > 30) throw new RangeError('too many names for a mask')
  const faults = { ...noFaults, ...scenario.faults }
  const around = setups.map(
    ([name], who): Around => ({ rules, faults, snapshots: scenario.snapshots, who, name, running: 0 }),
  )
  return {
    start: startOf(
      scenario,
      setups.map(([, setup]) => setup),
      counts,
    ),
    steps(state) {
      const steps: Step<State>[] = []
      let running = 0
      for (const [who, client] of state.clients.entries()) if (client.kind !== 'ended') running |= bit(who)
      for (const [who, client] of state.clients.entries()) {
        if (client.kind === 'ended') continue
        for (const { tells, to } of moves(client, setups[who]![1], state, { ...around[who]!, running })) {
          steps.push({ tells, to: { ...to.world, clients: state.clients.with(who, to.me) } })
        }
        if ((faults.crash & bit(who)) === 0) continue
        const crashed = state.clients.with(who, ended('crashed', client.acknowledged))
        steps.push({ tells: `${setups[who]![0]} crashes`, to: { ...state, clients: crashed } })
      }
      for (const { tells, to } of carriedOut(state)) steps.push({ tells, to: { ...to, clients: state.clients } })
      if (!rules.logIsForEver && scenario.truncates && state.store.truncated < state.log.length) {
        const store = { ...state.store, truncated: state.log.length }
        steps.push({ tells: `entries up to ${state.log.length} are deleted from the log`, to: { ...state, store } })
      }
      return steps
    },
    wrong: (state) =>
      wrong(
        state,
        scenario,
        setups.map(([, setup]) => setup),
        rules,
      ),
    goals: setups.map(([name], who) => endOf(name, who)),
    parts: ({ store, log, late, clients }) => [store, log, late, ...clients],
    whole: ([store, log, late, ...clients]) => ({ store, log, late, clients }) as unknown as State,
  }
}

function startOf(
  { packs, segments, log, lost = 0, late = [] }: Scenario,
  setups: readonly Setup[],
  counts: Record<string, number>,
): State {
  const fill = (masks: readonly Mask[], length: number) => [...masks, ...Array(length - masks.length).fill(0)]
  return {
    store: {
      packs: (bit(packs.length) - 1) & ~lost,
      segments: bit(segments.length) - 1,
      contents: fill(packs, counts.packs!),
      tables: fill(segments, counts.segments!),
      truncated: 0,
    },
    // Entries of before have nonces below those of the clients.
    log: log.map((draft, i) => ({ ...nothing, ...draft, nonce: i + 1, position: i + 1, after: i })),
    late,
    clients: setups.map(newClient),
  }
}

function newClient(setup: Setup): Client {
  switch (setup.kind) {
    case 'backup':
      return newBackup
    case 'prune':
      return newPrune
    case 'merge':
      return newMerge
    case 'forget':
    case 'undelete':
      return newForget
    case 'reader':
      return newReader
  }
}

function moves(me: Exclude<Client, Ended>, setup: Setup, world: World, around: Around): readonly Move<Client>[] {
  const { store, log, late } = world
  const bare = { store, log, late }
  switch (me.kind) {
    case 'backup':
      return backupSteps(me, setup as BackupSetup, bare, around)
    case 'prune':
      return pruneSteps(me, setup as PruneSetup, bare, around)
    case 'merge':
      return mergeSteps(me, (setup as MergeSetup | PruneSetup).merges!, bare, around)
    case 'forget':
      return forgetSteps(me, setup as ForgetSetup, bare, around)
    case 'reader':
      return readerSteps(me, setup as ReaderSetup, bare, around)
  }
}

/** Safety. */
function wrong(state: State, scenario: Scenario, setups: readonly Setup[], rules: Rules): string | undefined {
  const { store, log, clients } = state
  const broken = brokenLog(log, clients)
  if (broken !== undefined) return broken
  const { segments, live, purging, dead } = replay(log)
  const named = rules.logNamesSegments ? segments : store.segments
  if ((named & ~store.segments) !== 0)
    return `the log names segment s${numbersOf(named & ~store.segments)[0]}, which is gone`
  const usable = packsOf(store, named) & store.packs & ~(purging | dead)
  for (const snapshot of numbersOf(live)) {
    const lost = scenario.snapshots[snapshot]! & ~chunksOf(store, usable)
    if (lost !== 0) return `chunk c${numbersOf(lost)[0]} of the live snapshot S${snapshot} is lost`
  }
  for (const [who, client] of clients.entries()) {
    const setup = setups[who]!
    if (client.kind !== 'ended' || client.how !== 'told of damage' || setup.kind !== 'reader') continue
    if ((live & bit(setup.snapshot)) !== 0) return `a reader is told that S${setup.snapshot} is damaged, and it is not`
  }
  return scenario.also?.(state)
}

/** A fork, an entry committed twice, or one that was acknowledged and is not there. */
function brokenLog(log: Log, clients: readonly Client[]): string | undefined {
  for (let i = 0; i < log.length; i++) {
    const { nonce, after } = log[i]!
    if (after !== (log[i - 1]?.nonce ?? 0)) return `log/${i + 1} does not follow log/${i}`
    for (let j = 0; j < i; j++) if (log[j]!.nonce === nonce) return `log/${j + 1} and log/${i + 1} are the same commit`
  }
  for (const [who, { acknowledged }] of clients.entries()) {
    for (const operation of numbersOf(acknowledged)) {
      const nonce = (who + 1) * 16 + operation
      if (!log.some((entry) => entry.nonce === nonce)) return 'a commit was acknowledged and is not in the log'
    }
  }
  return undefined
}

/** Liveness: whatever happened, and whoever crashed, each other client can still come to its end. */
function endOf(name: string, who: number): Goal<State> {
  return {
    name: `the end of ${name}`,
    reached: ({ clients }) => {
      const client = clients[who]!
      return client.kind === 'ended' && client.how !== 'crashed' && client.how !== 'gave up'
    },
    excused: ({ clients }) => {
      const client = clients[who]!
      return client.kind === 'ended' && client.how === 'crashed'
    },
  }
}
