/** Forget and undelete. */
import { type Around, ended, headsSeen, type Move, move, nonceOf, ownEntry, putEntry, type Reading } from './client.js'
import {
  bit,
  chunksOf,
  type Mask,
  maskOf,
  nothing,
  numbersOf,
  packsOf,
  replay,
  unreliable,
  type World,
} from './store.js'

export interface ForgetSetup {
  readonly kind: 'forget' | 'undelete'
  readonly snapshot: number
}

export interface Forget extends Reading {
  readonly kind: 'forget'
  readonly at: 'read' | 'look' | 'put' | 'unsure'
  /** What an undelete lifts. */
  readonly lifts: Mask
}

export const newForget: Forget = { kind: 'forget', at: 'read', head: 0, acknowledged: 0, lifts: 0 }

export function forgetSteps(me: Forget, setup: ForgetSetup, world: World, around: Around): Move<Forget>[] {
  const { name, who, rules } = around
  switch (me.at) {
    case 'read':
      return headsSeen(world, me.head, around).map((head) =>
        move(`${name} reads the log up to ${head}`, { ...me, at: 'look', head }, world),
      )
    case 'look':
      return look(me, setup, world, around)
    case 'put': {
      const draft = { ...nothing, kind: setup.kind, lifts: me.lifts, snapshots: bit(setup.snapshot) }
      return putEntry(me, world, around, 0, draft, {
        stored: ({ acknowledged }) => ended('done', acknowledged),
        taken: { ...me, at: 'unsure' },
        unsure: { ...me, at: 'unsure' },
      })
    }
    case 'unsure':
      return headsSeen(world, me.head, around).map((head) => {
        const own = rules.ownNonceFirst ? ownEntry(world.log.slice(0, head), me.head, nonceOf(who, 0)) : undefined
        if (own !== undefined) return move(`${name} finds its entry`, ended('done', me.acknowledged | 1), world)
        const isSame = head === me.head || !rules.tailCheck
        const next: Forget = isSame ? { ...me, head, at: 'put' } : { ...me, head, at: 'look', lifts: 0 }
        return move(`${name} reads the log up to ${head}`, next, world)
      })
  }
  throw new TypeError(`unknown place ${me.at satisfies never}`)
}

/** Forgetting needs no more than that the snapshot is live; having it again, that everything in it is to be had. */
function look(me: Forget, setup: ForgetSetup, world: World, { name, rules, snapshots }: Around): Move<Forget>[] {
  const { store, log } = world
  const state = replay(log, me.head)
  const snapshot = bit(setup.snapshot)
  if (((setup.kind === 'forget' ? state.live : state.forgotten) & snapshot) === 0) {
    return [move(`${name} has nothing to do`, ended('done', me.acknowledged), world)]
  }
  if (setup.kind === 'forget') return [move(`${name} finds its snapshot`, { ...me, at: 'put' }, world)]
  if ((state.segments & ~store.segments) !== 0) return [move(`${name} misses a segment`, { ...me, at: 'read' }, world)]

  const located = packsOf(store, state.segments)
  const missing = snapshots[setup.snapshot]! & ~chunksOf(store, located & ~unreliable(state))
  const condemned = numbersOf(located & state.condemned)
  const lifts = maskOf(condemned.filter((pack) => (store.contents[pack]! & missing) !== 0))
  const isPurged = (missing & ~chunksOf(store, lifts)) !== 0
  if (isPurged && rules.refusesPurged)
    return [move(`${name} refuses: purged`, ended('refused', me.acknowledged), world)]
  return [move(`${name} resolves its snapshot`, { ...me, at: 'put', lifts: rules.lifts ? lifts : 0 }, world)]
}
