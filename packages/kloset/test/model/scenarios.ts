/**
 * The situations that are explored. Chunks are bits: X and Y are in the first snapshot, A and B are new. Numbers are given in the order of
 * the lists: pack 0 is p0, segment 0 is s0, snapshot 0 is S0. Clients take names for what they store as they are listed.
 */
import type { Scenario } from './protocol.js'
import { bit } from './store.js'

const X = bit(0)
const Y = bit(1)
const A = bit(2)
const B = bit(3)

/** Whoever may crash, or get no answer. */
const everybody = -1

/** A store with one snapshot, of two chunks in one pack. */
const oneSnapshot = {
  packs: [X | Y],
  segments: [bit(0)],
  log: [{ kind: 'snapshot', adds: bit(0), snapshots: bit(0) }],
} as const

/** The same after the snapshot was forgotten. */
const forgotten = { ...oneSnapshot, log: [...oneSnapshot.log, { kind: 'forget', snapshots: bit(0) }] } as const

/** The same after its pack was condemned, too. */
const condemned = { ...forgotten, log: [...forgotten.log, { kind: 'condemn', packs: bit(0) }] } as const

/** Two snapshots in packs and segments of their own; the first was forgotten. */
const oneOfTwo = {
  packs: [X, Y],
  segments: [bit(0), bit(1)],
  log: [
    { kind: 'snapshot', adds: bit(0), snapshots: bit(0) },
    { kind: 'snapshot', adds: bit(1), snapshots: bit(1) },
    { kind: 'forget', snapshots: bit(0) },
  ],
} as const

/** p1 with s1, and p2 that no segment names, are what an interrupted backup left; a prune has seen them. */
const interrupted = {
  packs: [X | Y, A, B],
  segments: [bit(0), bit(1)],
  log: [...oneSnapshot.log, { kind: 'suspect', packs: bit(1) | bit(2) }],
} as const

const twoBackups: Omit<Scenario, 'states'> = {
  name: '2 backups, prune and forget',
  ...oneSnapshot,
  snapshots: [X | Y, X | A, X | A],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, parent: 0, inherits: X, packs: packs(3), segments: segments(4) },
    'backup 2': { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(3), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest' },
    forget: { kind: 'forget', snapshot: 0 },
  }),
}

export const crashes: Scenario = {
  ...twoBackups,
  name: '2 backups, prune and forget, with crashes',
  states: 63_286,
  faults: { crash: everybody },
}

export const lostPuts: Scenario = {
  ...twoBackups,
  name: '2 backups, prune and forget, with lost and late puts of log entries by a backup and prune',
  states: 122_255,
  faults: { lostPuts: bit(0) | bit(2) },
}

export const lostPutsOfAll: Scenario = {
  ...lostPuts,
  name: '2 backups, prune and forget, with lost and late puts of all log entries and crashes',
  states: 1_578_767,
  faults: { lostPuts: everybody, crash: everybody },
}

export const repack: Scenario = {
  name: '2 backups, repacking prune, forget and undelete',
  states: 159_030,
  ...oneSnapshot,
  snapshots: [X | Y, X | A, Y],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, parent: 0, inherits: X, packs: packs(2), segments: segments(3) },
    'backup 2': { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest', packs: packs(3), segments: segments(3) },
    forget: { kind: 'forget', snapshot: 0 },
    undelete: { kind: 'undelete', snapshot: 0 },
  }),
}

export const repackCrash: Scenario = {
  name: 'backup, repacking prune, second purger and reader, with crashes',
  states: 50_969,
  // Of p0 only Y is needed.
  packs: [X | Y],
  segments: [bit(0)],
  snapshots: [X | Y, Y, X | Y],
  log: [{ kind: 'snapshot', adds: bit(0), snapshots: bit(1) }],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest', packs: packs(3), segments: segments(3) },
    purger: { kind: 'prune', keeps: 'lowest', onlyPurges: true },
    reader: { kind: 'reader', snapshot: 1 },
  }),
  faults: { crash: everybody },
}

export const repackAdopted: Scenario = {
  name: 'repacking prune, backup that adopts, second prune and merge',
  states: 1_542_413,
  packs: [X | Y],
  segments: [bit(0)],
  snapshots: [X | Y, Y, X],
  log: [{ kind: 'snapshot', adds: bit(0), snapshots: bit(1) }],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 2, adopts: true, packs: packs(2), segments: segments(4) },
    'prune 1': { kind: 'prune', keeps: 'lowest', packs: packs(3), segments: segments(3) },
    'prune 2': { kind: 'prune', keeps: 'lowest', cleans: true },
    merge: { kind: 'merge', merges: segments(4) },
  }),
}

export const twoPrunes: Scenario = {
  name: 'backup, 2 prunes, forget and undelete',
  states: 204_772,
  ...oneSnapshot,
  snapshots: [X | Y, X],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, packs: packs(3), segments: segments(4) },
    'prune 1': { kind: 'prune', keeps: 'lowest' },
    'prune 2': { kind: 'prune', keeps: 'highest', cleans: true },
    forget: { kind: 'forget', snapshot: 0 },
    undelete: { kind: 'undelete', snapshot: 0 },
  }),
}

export const twoCopies: Scenario = {
  name: '2 prunes that would each keep another copy, and a backup',
  states: 5_775,
  packs: [X, X],
  segments: [bit(0), bit(1)],
  snapshots: [X, X],
  log: [
    { kind: 'snapshot', adds: bit(0), snapshots: bit(0) },
    { kind: 'index-swap', adds: bit(1) },
  ],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, mayLift: true, packs: packs(2), segments: segments(3) },
    'prune 1': { kind: 'prune', keeps: 'lowest' },
    'prune 2': { kind: 'prune', keeps: 'highest' },
  }),
  faults: { crash: everybody },
}

export const lostPack: Scenario = {
  name: 'prune where one of two copies is lost',
  states: 8,
  packs: [X, X],
  segments: [bit(0) | bit(1)],
  lost: bit(0),
  snapshots: [X],
  log: [{ kind: 'snapshot', adds: bit(0), snapshots: bit(0) }],
  clients: () => ({ prune: { kind: 'prune', keeps: 'lowest' } }),
}

export const swap: Scenario = {
  name: 'prune with swap, second merge and backup',
  states: 49_842,
  ...oneOfTwo,
  snapshots: [X, Y, X | A],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(3), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true, merges: segments(4) },
    merge: { kind: 'merge', merges: segments(4) },
  }),
}

export const drop: Scenario = {
  name: 'prune that drops dead segments, merge, backup and reader, with crashes',
  states: 326_140,
  ...oneOfTwo,
  snapshots: [X, Y, X],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true, merges: [] },
    merge: { kind: 'merge', merges: segments(4) },
    reader: { kind: 'reader', snapshot: 1 },
  }),
  faults: { crash: bit(1) },
}

export const staleSwap: Scenario = {
  name: 'backup, prune and merge where everything was forgotten',
  states: 18_358,
  packs: [X, Y],
  segments: [bit(0), bit(1)],
  snapshots: [X, Y, X],
  log: [...oneOfTwo.log, { kind: 'forget', snapshots: bit(1) }],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 2, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true, merges: [] },
    merge: { kind: 'merge', merges: segments(6) },
  }),
}

export const secondPurger: Scenario = {
  name: 'backup, prune, second purger and undelete, with crashes',
  states: 169_155,
  ...condemned,
  snapshots: [X | Y, X | A],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, mayLift: true, packs: packs(3), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest' },
    purger: { kind: 'prune', keeps: 'lowest', onlyPurges: true },
    undelete: { kind: 'undelete', snapshot: 0 },
  }),
  faults: { crash: everybody },
}

export const lateRequests: Scenario = {
  name: 'log-named segments, with late PUT and DELETE',
  states: 71_124,
  ...forgotten,
  snapshots: [X | Y, X | A],
  late: [
    { request: 'put pack', number: 0 },
    { request: 'put segment', number: 0 },
  ],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, adopts: true, mayLift: true, packs: packs(3), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true, merges: segments(4) },
  }),
  faults: { late: ['put pack', 'put segment', 'delete pack', 'delete segment'] },
}

export const adoption: Scenario = {
  name: 'orphan adoption by 2 backups, prune and merge',
  states: 361_476,
  ...interrupted,
  snapshots: [X | Y, X | A | B, A],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, adopts: true, packs: packs(2), segments: segments(4) },
    'backup 2': { kind: 'backup', snapshot: 2, adopts: true, packs: packs(2), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true },
    merge: { kind: 'merge', merges: segments(4) },
  }),
}

export const running: Scenario = {
  name: 'adoption from a backup that is still running, prune and merge',
  states: 83_347,
  ...oneSnapshot,
  snapshots: [X | Y, X | A, A],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, packs: packs(2), segments: segments(3) },
    'backup 2': { kind: 'backup', snapshot: 2, adopts: true, packs: packs(2), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true },
    merge: { kind: 'merge', merges: segments(3) },
  }),
  faults: { crash: everybody, lostPuts: bit(0) },
}

export const reader: Scenario = {
  name: 'reader, repacking prune, merge and forget',
  states: 20_665,
  packs: [X | Y, A],
  segments: [bit(0), bit(1)],
  snapshots: [X | Y, X | A],
  log: [...oneSnapshot.log, { kind: 'snapshot', adds: bit(1), snapshots: bit(1) }],
  clients: ({ packs, segments }) => ({
    reader: { kind: 'reader', snapshot: 1 },
    prune: { kind: 'prune', keeps: 'lowest', packs: packs(2), segments: segments(2) },
    merge: { kind: 'merge', merges: segments(4) },
    forget: { kind: 'forget', snapshot: 0 },
  }),
  faults: { crash: everybody },
}

export const sync: Scenario = {
  name: '2 synchronizations of one snapshot, prune, forget and undelete',
  states: 37_519,
  ...oneSnapshot,
  snapshots: [X | Y, X | A],
  clients: ({ packs, segments }) => ({
    'sync 1': { kind: 'backup', snapshot: 1, packs: packs(2), segments: segments(3) },
    'sync 2': { kind: 'backup', snapshot: 1, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest' },
    forget: { kind: 'forget', snapshot: 1 },
    undelete: { kind: 'undelete', snapshot: 1 },
  }),
}

export const staleLists: Scenario = {
  name: 'backup that adopts, prune and forget, with stale listings',
  states: 17_947,
  ...interrupted,
  snapshots: [X | Y, X | A],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, adopts: true, packs: packs(2), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true },
    forget: { kind: 'forget', snapshot: 0 },
  }),
  faults: { staleList: true },
}

export const grace: Scenario = {
  name: 'long backup beside 3 prunes that know the grace',
  states: 5_786,
  ...oneSnapshot,
  snapshots: [X | Y, X | A],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, packs: packs(4), segments: segments(5) },
    'prune 1': { kind: 'prune', keeps: 'lowest', patientWith: bit(0) },
    'prune 2': { kind: 'prune', keeps: 'lowest', patientWith: bit(0) },
    'prune 3': { kind: 'prune', keeps: 'lowest', patientWith: bit(0) },
  }),
  also: ({ clients: [backup] }) =>
    backup?.kind === 'backup' && backup.packsMade > 1 ? 'a backup younger than the grace stores again' : undefined,
}

export const truncation: Scenario = {
  name: '2 backups and forget, beside one who would delete log entries',
  states: 273,
  ...oneSnapshot,
  snapshots: [X | Y, X | A, X],
  truncates: true,
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, packs: packs(2), segments: segments(3) },
    'backup 2': { kind: 'backup', snapshot: 2, packs: packs(2), segments: segments(3) },
    forget: { kind: 'forget', snapshot: 0 },
  }),
}

export const twoPrunesOfNew: Scenario = {
  ...twoPrunes,
  snapshots: [X | Y, X | A],
  name: 'backup of something new, 2 prunes, forget and undelete',
  states: 4_221_831,
}

export const staleReads: Scenario = {
  name: '2 backups, prune and forget, with stale LIST and GET',
  states: 107_515,
  ...oneSnapshot,
  snapshots: [X | Y, X | A, X],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, parent: 0, inherits: X, packs: packs(2), segments: segments(3) },
    'backup 2': { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest' },
    forget: { kind: 'forget', snapshot: 0 },
  }),
  faults: { staleLog: true, staleList: true },
}

export const staleAdoption: Scenario = {
  name: 'orphan adoption, prune and merge, with stale LIST and GET',
  states: 60_691,
  ...interrupted,
  snapshots: [X | Y, X | A | B],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, adopts: true, mayLift: true, packs: packs(3), segments: segments(5) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true },
    merge: { kind: 'merge', merges: segments(4) },
  }),
  faults: { staleLog: true, staleList: true },
}

export const resume: Scenario = {
  name: 'a backup that crashes, its resumption, and prune, with lost and late puts',
  states: 1_540_541,
  ...interrupted,
  snapshots: [X | Y, X | A, X | A],
  clients: ({ packs, segments }) => ({
    backup: { kind: 'backup', snapshot: 1, adopts: true, packs: packs(2), segments: segments(4) },
    resumption: { kind: 'backup', snapshot: 2, adopts: true, packs: packs(2), segments: segments(4) },
    prune: { kind: 'prune', keeps: 'lowest', cleans: true },
  }),
  faults: { crash: bit(0), lostPuts: bit(0) | bit(1), late: ['put pack', 'put segment'] },
}

export const everything: Scenario = {
  name: '2 backups, repacking prune with swap, forget and undelete',
  states: 383_133,
  ...oneSnapshot,
  snapshots: [X | Y, X | A, Y],
  clients: ({ packs, segments }) => ({
    'backup 1': { kind: 'backup', snapshot: 1, parent: 0, inherits: X, packs: packs(2), segments: segments(3) },
    'backup 2': { kind: 'backup', snapshot: 2, mayLift: true, packs: packs(2), segments: segments(3) },
    prune: { kind: 'prune', keeps: 'lowest', packs: packs(3), segments: segments(3), merges: segments(3) },
    forget: { kind: 'forget', snapshot: 0 },
    undelete: { kind: 'undelete', snapshot: 0 },
  }),
}

export const everythingCrashes: Scenario = {
  ...repack,
  name: '2 backups, repacking prune, forget and undelete, with crashes and lost puts',
  states: 1_295_510,
  faults: { crash: everybody, lostPuts: bit(0) | bit(2) },
}

/** Explored in every test run. */
export const scenarios: readonly Scenario[] = [
  crashes,
  lostPuts,
  repack,
  repackCrash,
  twoPrunes,
  twoCopies,
  lostPack,
  swap,
  drop,
  staleSwap,
  secondPurger,
  lateRequests,
  adoption,
  running,
  reader,
  sync,
  staleLists,
  staleAdoption,
  staleReads,
  grace,
  truncation,
]

/** Larger ones, for when there is time. */
export const longScenarios: readonly Scenario[] = [
  lostPutsOfAll,
  resume,
  repackAdopted,
  everything,
  everythingCrashes,
  twoPrunesOfNew,
]
