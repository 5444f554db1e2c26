import type { PruneOptions, PruneResult } from '../api.js'
import { Telling } from '../backup/telling.js'
import { fromHex } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { isKlosetError, KlosetError } from '../errors.js'
import { type Following, isReliable, type LogState, type PackFate } from '../log/index.js'
import { packObject } from '../pack/index.js'
import type { Progress } from '../run.js'
import { packSizes } from '../store/footers.js'
import type { OpenedStore } from '../store/opened.js'
import { tidyCheckpoints } from './checkpoints.js'
import { Condemnation } from './condemnation.js'
import { type Copies, settleCopies } from './copies.js'
import { appendWhile, groupsOf, namesPerEntry, sayOf } from './entries.js'
import { Leftovers } from './leftovers.js'
import { Marking } from './mark.js'
import { duePacks, type Plan, planOf } from './plan.js'
import { type Outcome, resultOf } from './result.js'
import { untilStill } from './still.js'
import { Survey } from './survey.js'
import { swapOf, swapSegments } from './swap.js'

/** What a prune takes, with its defaults. */
export interface PruneSettings extends PruneOptions {
  readonly delay: number
  readonly grace: number
  /** From how many small index segments on they are merged. */
  readonly many: number
}

/** Everything a prune looked at, before it says or does anything. */
export interface Look {
  readonly state: LogState
  readonly marking: Marking
  /** The packs that are there, by name, with their sizes. */
  readonly listed: ReadonlyMap<string, number>
  readonly leftovers: Leftovers
  readonly survey: Survey
  readonly copies: Copies
}

/** One prune, from the first look at the log to the last deletion. */
export class PruneRun {
  readonly #store: OpenedStore
  readonly #settings: PruneSettings
  readonly #call: Call
  readonly #telling: Telling

  constructor(store: OpenedStore, settings: PruneSettings, call: Call) {
    this.#store = store
    this.#settings = settings
    this.#call = call
    this.#telling = new Telling(settings)
  }

  async run(): Promise<PruneResult> {
    const { log } = this.#store
    const { dryRun = false } = this.#settings
    await log.refresh(this.#call)
    if (!dryRun) this.#store.requireWritable()
    if (log.damage !== undefined) throw log.damage
    const following = log.follow()
    try {
      const look = await this.#lookUntilStill()
      this.#warn(look)
      const outcome = dryRun ? this.#wouldBe(look) : await this.#act(look, following)
      this.#tell('done')
      return resultOf(look, outcome, this.#settings, this.#telling.elapsed)
    } finally {
      following.end()
    }
  }

  async #lookUntilStill(): Promise<Look> {
    try {
      return await untilStill(this.#store.log, (state) => this.#look(state), this.#call)
    } catch (error) {
      this.#call.signal.throwIfAborted()
      throw isKlosetError(error) ? unreadable(error) : error
    }
  }

  async #look(state: LogState): Promise<Look> {
    const { storage } = this.#store
    this.#tell('read')
    const marking = new Marking()
    await marking.follow(state, await this.#store.blobs(), () => undefined, this.#call)
    this.#tell('check')
    const sizes = await packSizes(storage, this.#call)
    const listed = new Map([...sizes].map(([object, size]) => [object.slice(object.lastIndexOf('/') + 1), size]))
    const leftovers = await Leftovers.find(this.#store, state, this.#call)
    const isThere = (name: string, size: number): boolean => listed.get(name) === size
    // Protocol rule 8: a copy counts as kept only where it is seen to be.
    const usable = (name: string, size: number): boolean => isReliable(state, name) && isThere(name, size)
    const survey = new Survey({ live: marking.live, usable })
    await survey.follow(this.#store, state.segments, this.#call)
    const named = [...survey.packs.values()]
    const condemned = named.filter(({ name, size }) => fateIn(state, name) === 'condemned' && isThere(name, size))
    const packs = {
      usable: namesOf(named.filter(({ name, size }) => usable(name, size))),
      condemned: namesOf(condemned),
    }
    return {
      state,
      marking,
      listed,
      leftovers,
      survey,
      copies: await settleCopies(this.#store, survey, packs, this.#call),
    }
  }

  #plan({ state, listed, leftovers, survey, copies }: Look): Plan {
    return planOf({
      state,
      listed,
      named: survey.packs,
      promised: leftovers.packs,
      copies,
      now: Date.now(),
      grace: this.#settings.grace,
    })
  }

  async #act(look: Look, following: Following): Promise<Outcome> {
    const { log } = this.#store
    const plan = this.#plan(look)
    const purged = new Set<string>()
    this.#tell('write')
    await this.#delete([...plan.unfinished, ...plan.revenants], purged)
    await this.#lift(plan.lift)
    const condemnation = new Condemnation(this.#store, look, plan, following, this.#call)
    await sayOf(log, 'suspect', plan.suspect, (now, pack) => !now.packs.has(pack), this.#call)
    const condemned = await condemnation.run()
    const spared = (pack: string): boolean => look.copies.needed.has(pack) || look.copies.undecided.has(pack)
    const due = new Map(
      duePacks(log.state, spared, Date.now(), this.#settings.delay).map((pack) => [pack, log.state.packs.get(pack)!]),
    )
    // Still condemned, and not lifted and condemned again since.
    const isDue = (now: LogState, pack: string): boolean => {
      const fate = now.packs.get(pack)
      return fate?.fate === 'condemned' && fate.position === due.get(pack)!.position
    }
    await this.#delete(await sayOf(log, 'purge', due.keys(), isDue, this.#call), purged)
    this.#tell('commit')
    const segments = await swapSegments(this.#store, look.survey, this.#settings.many, this.#call)
    // What was in memory of the index may name what the log says nothing of any more.
    if (segments > 0) this.#store.dropIndex()
    await look.leftovers.remove(log.state, this.#call)
    await tidyCheckpoints(this.#store, this.#call)
    return { fates: log.state.packs, condemned, purged, segments }
  }

  /** Deletes packs of which the log says that they may be gone, and then says that they are. */
  async #delete(packs: Iterable<string>, purged: Set<string>): Promise<void> {
    const names = [...packs]
    for (const group of groupsOf(names, 1_000)) {
      await this.#store.storage.remove(
        group.map((name) => packObject(fromHex(name))),
        this.#call,
      )
      for (const name of group) purged.add(name)
    }
    await sayOf(this.#store.log, 'purged', names, (now, pack) => fateIn(now, pack) === 'purging', this.#call)
  }

  /** Ends condemnations that should not be. */
  async #lift(packs: readonly string[]): Promise<void> {
    for (const group of groupsOf(packs, namesPerEntry)) {
      await appendWhile(
        this.#store.log,
        (now) => {
          const lifted = group.filter((pack) => fateIn(now, pack) === 'condemned')
          return lifted.length === 0 ? undefined : { content: { kind: 'undelete', snapshots: [] }, lifted }
        },
        this.#call,
      )
    }
  }

  /** What a prune would leave, were it alone. */
  #wouldBe(look: Look): Outcome {
    const { state, survey, copies } = look
    const { delay, many } = this.#settings
    const plan = this.#plan(look)
    const now = Date.now()
    const { unneeded, redundant, suspected } = plan.condemn
    const condemned = new Set([...unneeded, ...redundant, ...suspected])
    const fates = new Map(state.packs)
    const say = (packs: Iterable<string>, fate: PackFate['fate']): void => {
      for (const pack of packs) fates.set(pack, { fate, position: state.position, time: now })
    }
    for (const pack of plan.lift) fates.delete(pack)
    say(plan.suspect, 'suspect')
    say(condemned, 'condemned')
    const spared = (pack: string): boolean => copies.undecided.has(pack)
    const purged = new Set([
      ...plan.unfinished,
      ...plan.revenants,
      ...duePacks({ ...state, packs: fates }, spared, now, delay),
    ])
    say(purged, 'dead')
    const { drop, rewrite } = swapOf(survey, state.segments, (pack) => fates.get(pack)?.fate === 'dead', many)
    return { fates, condemned, purged, segments: drop.length + rewrite.flat().length }
  }

  /** Tells of packs that are needed and not there: prune can do nothing about them, and nothing to them. */
  #warn({ state, survey, listed }: Look): void {
    const lost = [...survey.packs.values()].filter(
      ({ name, size, live }) => live > 0 && isReliable(state, name) && listed.get(name) !== size,
    )
    if (lost.length === 0) return
    const message = `${lost.length} packs that snapshots need are missing or cut off; check tells which files are concerned`
    this.#settings.onEvent?.({ type: 'notice', code: 'packs-missing', message })
  }

  #tell(phase: Progress['phase']): void {
    this.#telling.tell(true, () => ({
      phase,
      entries: 0,
      files: 0,
      bytes: 0,
      total: undefined,
      failed: 0,
      stored: 0,
      current: undefined,
    }))
  }
}

function fateIn({ packs }: LogState, pack: string): PackFate['fate'] | undefined {
  return packs.get(pack)?.fate
}

function namesOf(packs: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(packs.map(({ name }) => name))
}

function unreadable(cause: KlosetError): KlosetError {
  return new KlosetError(cause.code, `Nothing was pruned, since it cannot be told what is needed: ${cause.message}`, {
    retry: cause.retry,
    hint: 'Check the store. Snapshots that are damaged beyond repair can be forgotten; then prune no longer looks at them.',
    context: cause.context,
    cause,
  })
}
