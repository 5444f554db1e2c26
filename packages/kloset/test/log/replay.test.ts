import { describe, expect, it } from 'vitest'
import type { SnapshotEdit } from '../../src/api.js'
import { type Bytes, ByteWriter, concatBytes, text, toHex } from '../../src/bytes/index.js'
import { newHeader, sealer } from '../../src/crypto/index.js'
import type { KlosetError } from '../../src/errors.js'
import { blake3 } from '../../src/hash/index.js'
import {
  decodeCheckpoint,
  decodeEntry,
  type EntryDraft,
  emptyState,
  encodeCheckpoint,
  fitsCheckpoint,
  isReliable,
  type LogEntry,
  replay,
} from '../../src/log/index.js'
import { runtime } from '../../src/runtime/index.js'
import { codeOf, counted, fixedKeyring, mutations } from '../crypto/helpers.js'
import { chain, nameOf, snapshotDraft, snapshotRecord, stateAfter, summary } from './helpers.js'

const keyring = fixedKeyring()
const ids = [1, 2, 3].map((seed) => snapshotRecord(seed).id)
const of = (kind: 'condemn' | 'suspect' | 'purge' | 'purged', ...packs: string[]): EntryDraft => ({
  content: { kind },
  packs,
})
const forget = (...snapshots: string[]): EntryDraft => ({ content: { kind: 'forget', snapshots } })
const edit = (change: SnapshotEdit): EntryDraft => ({
  content: { kind: 'edit', snapshots: [ids[0]!], edit: change },
})
const undelete = (...snapshots: string[]): EntryDraft => ({ content: { kind: 'undelete', snapshots } })
const [a, b, c] = [nameOf(1), nameOf(2), nameOf(3)] as const

const fates = (...drafts: EntryDraft[]): Record<string, string> =>
  Object.fromEntries([...stateAfter(keyring, drafts).packs].map(([name, { fate }]) => [name.slice(-1), fate]))

describe('replay', () => {
  it('of nothing gives nothing', () => {
    expect(replay([])).toEqual({ state: emptyState, damage: undefined })
  })

  it('knows the live snapshots and segments', () => {
    const state = stateAfter(keyring, [
      snapshotDraft(1, { segmentsAdded: [a] }),
      snapshotDraft(2, { segmentsAdded: [b] }),
      snapshotDraft(3, { segmentsAdded: [b] }),
      { content: { kind: 'index-swap' }, segmentsRemoved: [a], segmentsAdded: [c] },
    ])
    expect([...state.snapshots.keys()]).toEqual(ids)
    expect([...state.segments]).toEqual([b, c])
    expect(state.snapshots.get(ids[1]!)).toMatchObject({ position: 2, time: 1_001, record: snapshotRecord(2) })
    expect(state.position).toBe(4)
  })

  it('forgets snapshots, and has them again', () => {
    const drafts = [snapshotDraft(1), snapshotDraft(2), snapshotDraft(3), forget(ids[0]!, ids[2]!, nameOf(9).slice(32))]
    const forgotten = stateAfter(keyring, drafts)
    expect([[...forgotten.snapshots.keys()], [...forgotten.forgotten.keys()]]).toEqual([[ids[1]], [ids[0], ids[2]]])
    const again = stateAfter(keyring, [...drafts, undelete(ids[2]!), undelete(ids[1]!)])
    expect([[...again.snapshots.keys()], [...again.forgotten.keys()]]).toEqual([[ids[1], ids[2]], [ids[0]]])
  })

  it('takes a snapshot id once, and anew when it was forgotten', () => {
    const drafts = [snapshotDraft(1), snapshotDraft(1), forget(ids[0]!)]
    const before = stateAfter(keyring, drafts)
    expect(before.snapshots.size).toBe(0)
    expect(before.forgotten.get(ids[0]!)!.position).toBe(1)
    const state = stateAfter(keyring, [...drafts, snapshotDraft(1)])
    expect(state.snapshots.get(ids[0]!)!.position).toBe(4)
    expect(state.forgotten.size).toBe(0)
  })

  it('follows packs from suspicion to death', () => {
    expect(fates(of('suspect', a))).toEqual({ 1: 'suspect' })
    expect(fates(of('suspect', a), of('condemn', a, b))).toEqual({ 1: 'condemned', 2: 'condemned' })
    expect(fates(of('condemn', a, b), of('purge', a))).toEqual({ 1: 'purging', 2: 'condemned' })
    expect(fates(of('condemn', a), of('purge', a), of('purged', a))).toEqual({ 1: 'dead' })
    // Purging is the point of no return: what comes late changes nothing.
    expect(fates(of('condemn', a), of('purge', a), of('condemn', a), of('suspect', a))).toEqual({ 1: 'purging' })
    expect(fates(of('purged', a), of('purge', a), of('condemn', a))).toEqual({ 1: 'dead' })
    const state = stateAfter(keyring, [of('suspect', b), of('condemn', a), of('suspect', a)])
    expect(state.packs.get(a)).toEqual({ fate: 'condemned', position: 2, time: 1_001 })
  })

  it('lifts what was not purged yet', () => {
    const lifting = (draft: EntryDraft): EntryDraft => ({ ...draft, lifted: [a, b, c] })
    const before = [of('condemn', a), of('suspect', b), of('condemn', c), of('purge', c)]
    expect(fates(...before, lifting(snapshotDraft(1)))).toEqual({ 3: 'purging' })
    expect(fates(...before, lifting(undelete()))).toEqual({ 3: 'purging' })
    expect(fates(...before, lifting(snapshotDraft(1)), of('condemn', a))).toEqual({ 1: 'condemned', 3: 'purging' })
  })

  it('says which packs may be relied on', () => {
    const state = stateAfter(keyring, [of('suspect', a), of('condemn', b), of('condemn', c), of('purge', c)])
    expect([a, b, c, nameOf(4)].map((pack) => isReliable(state, pack))).toEqual([true, false, false, true])
  })

  it('keeps the newest value of a setting', () => {
    const set = (value: unknown): EntryDraft => ({ content: { kind: 'setting', name: 'codec', value } })
    expect(stateAfter(keyring, [set('lz4'), set({ level: 3 })]).settings.get('codec')).toEqual({ level: 3 })
  })

  it('edits snapshots that are live, and no others', () => {
    const record = (...drafts: EntryDraft[]): unknown => {
      const { snapshots, forgotten } = stateAfter(keyring, drafts)
      const { tags, name } = (snapshots.get(ids[0]!) ?? forgotten.get(ids[0]!))!.record
      return [tags, name]
    }
    const daily = { content: { kind: 'snapshot', snapshot: snapshotRecord(1, { tags: ['daily', 'db'] }) } } as const
    expect(record(daily, edit({ tags: { add: ['keep', 'db'] } }))).toEqual([['daily', 'db', 'keep'], undefined])
    expect(record(daily, edit({ tags: { remove: ['daily', 'other'] }, name: 'a' }))).toEqual([['db'], 'a'])
    expect(record(daily, edit({ tags: { set: ['x', 'y'], remove: ['y'], add: ['z'] } }))).toEqual([
      ['x', 'z'],
      undefined,
    ])
    expect(record(daily, edit({ name: 'a' }), edit({ name: null, tags: {} }))).toEqual([['daily', 'db'], undefined])
    // Two who knew nothing of each other: both are heard.
    expect(record(daily, edit({ tags: { add: ['a'] } }), edit({ tags: { add: ['b'], remove: ['db'] } }))).toEqual([
      ['daily', 'a', 'b'],
      undefined,
    ])
    expect(record(daily, forget(ids[0]!), edit({ tags: { add: ['late'] } }))).toEqual([['daily', 'db'], undefined])
    expect(record(daily, edit({ tags: { add: ['a'] } }), forget(ids[0]!))).toEqual([['daily', 'db', 'a'], undefined])
    expect(record(daily, { content: { kind: 'edit', snapshots: [ids[1]!], edit: { name: 'x' } } })).toEqual([
      ['daily', 'db'],
      undefined,
    ])
  })

  it('never makes of a snapshot what a checkpoint cannot hold', () => {
    const large = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(1_000))
    const drafts = [
      snapshotDraft(1),
      edit({ tags: { add: large } }),
      edit({ tags: { add: large.map((tag) => `${tag}+`) } }),
    ]
    const state = stateAfter(keyring, drafts)
    expect(state.snapshots.get(ids[0]!)!.record.tags).toEqual(large)
    expect(decodeCheckpoint(keyring, 3, encodeCheckpoint(keyring, state))).toEqual(state)
  })

  it('edits without losing what a later version says of a snapshot', () => {
    const later = { ...snapshotRecord(1), unheardOf: { a: [1] } }
    const entry = chain(keyring, [snapshotDraft(1), edit({ name: 'new' })]).map((link) => link.entry)
    const json = new TextEncoder().encode(JSON.stringify(later)) as Bytes
    const state = replay([{ ...entry[0]!, privateBytes: json }, entry[1]!]).state
    expect(JSON.parse(text(state.snapshots.get(ids[0]!)!.json))).toEqual({ ...later, name: 'new' })
  })

  it('continues from any state, and leaves that as it was', () => {
    const drafts = [
      edit({ tags: { add: ['early'] } }),
      snapshotDraft(1, { segmentsAdded: [a] }),
      of('condemn', b),
      snapshotDraft(2, { lifted: [b], segmentsAdded: [c] }),
      edit({ tags: { add: ['late'] } }),
      forget(ids[0]!),
      of('purge', c),
    ]
    const entries = chain(keyring, drafts).map(({ entry }) => entry)
    const whole = replay(entries).state
    for (let split = 0; split <= entries.length; split++) {
      const first = replay(entries.slice(0, split)).state
      const before = summary(first)
      expect(summary(replay(entries.slice(split), first).state)).toEqual(summary(whole))
      expect(summary(first)).toEqual(before)
    }
  })
})

describe('replay of a damaged log', () => {
  const links = chain(keyring, [snapshotDraft(1), snapshotDraft(2), snapshotDraft(3)])
  const entries = links.map(({ entry }) => entry)
  const damaged = (of: (LogEntry | KlosetError)[]): unknown => {
    const { state, damage } = replay(of)
    return [state.position, [...state.snapshots.keys()].length, damage?.code, damage?.context.position]
  }

  it('ends before a gap', () => {
    expect(damaged([entries[0]!, entries[2]!])).toEqual([1, 1, 'KLOSET_LOG_CORRUPT', 2])
    expect(damaged([entries[1]!])).toEqual([0, 0, 'KLOSET_LOG_CORRUPT', 1])
  })

  it('ends before an entry that names another before it', () => {
    const fork = chain(keyring, [snapshotDraft(4), snapshotDraft(5)])
    expect(damaged([entries[0]!, fork[1]!.entry, entries[2]!])).toEqual([1, 1, 'KLOSET_LOG_CORRUPT', 2])
    expect(damaged([fork[0]!.entry, entries[1]!])).toEqual([1, 1, 'KLOSET_LOG_CORRUPT', 2])
  })

  it('ends before an entry that cannot be read', () => {
    const changed = new Uint8Array(links[1]!.bytes)
    changed[100]! ^= 1
    let error: unknown
    try {
      decodeEntry(keyring, 2, changed)
    } catch (thrown) {
      error = thrown
    }
    expect(damaged([entries[0]!, error as KlosetError, entries[2]!])).toEqual([1, 1, 'KLOSET_LOG_CORRUPT', 2])
  })

  it('does not take an entry twice', () => {
    expect(damaged([entries[0]!, entries[0]!])).toEqual([1, 1, 'KLOSET_LOG_CORRUPT', 2])
  })
})

describe('a checkpoint', () => {
  const state = stateAfter(keyring, [
    snapshotDraft(1, { segmentsAdded: [a, b] }),
    snapshotDraft(2, { segmentsAdded: [c] }),
    ...Array.from({ length: 40 }, (_, i) => snapshotDraft(100 + i)),
  ])
  const read = (bytes: Uint8Array, position = 42): unknown => codeOf(() => decodeCheckpoint(keyring, position, bytes))

  it.each(['none', 'lz4', 'deflate'] as const)('gives back the state, %s', (codec) => {
    const bytes = encodeCheckpoint(keyring, state, codec)
    expect(decodeCheckpoint(keyring, 42, bytes)).toEqual(state)
    expect(decodeCheckpoint(keyring, 0, encodeCheckpoint(keyring, emptyState, codec))).toEqual(emptyState)
  })

  it('continues as the log does', () => {
    const drafts = [
      snapshotDraft(1, { segmentsAdded: [a] }),
      edit({ name: 'called', tags: { add: ['a'] } }),
      snapshotDraft(2),
      edit({ tags: { add: ['b'] } }),
      of('condemn', b),
      forget(ids[0]!),
    ]
    const entries = chain(keyring, drafts).map(({ entry }) => entry)
    const early = replay(entries.slice(0, 2)).state
    const restored = decodeCheckpoint(keyring, 2, encodeCheckpoint(keyring, early))
    expect(summary(replay(entries.slice(2), restored).state)).toEqual(summary(replay(entries).state))
  })

  it('holds forgotten snapshots, fates of packs and settings', () => {
    const drafts = [
      snapshotDraft(1),
      forget(ids[0]!),
      of('suspect', a),
      of('condemn', b),
      { content: { kind: 'setting', name: 'x', value: { y: [1, 'z'] } } } as const,
    ]
    const full = stateAfter(keyring, drafts)
    const restored = decodeCheckpoint(keyring, full.position, encodeCheckpoint(keyring, full))
    expect([...restored.forgotten.keys()]).toEqual([ids[0]])
    expect(restored).toEqual(full)
  })

  it('is not made of what was not understood', () => {
    expect(fitsCheckpoint(state)).toBe(true)
    expect(fitsCheckpoint({ ...state, readOnly: 'a reason' })).toBe(false)
  })

  it('survives any change with a typed error', () => {
    const bytes = encodeCheckpoint(keyring, state, 'none')
    for (const changed of mutations(bytes, 37)) expect(read(changed)).toBe('KLOSET_LOG_CORRUPT')
    for (let end = 0; end < bytes.length; end += 211) expect(read(bytes.subarray(0, end))).toBe('KLOSET_LOG_CORRUPT')
    expect(read(concatBytes(bytes, counted(1)))).toBe('KLOSET_LOG_CORRUPT')
    expect(read(bytes, 41)).toBe('KLOSET_LOG_CORRUPT')
  })

  it.each([
    ['aes-256-gcm', 'f74d411503aeb42fb1f9f6639846dcb35086a3cecd9487bbb64ed0a0c16173c4'],
    ['none', '4a9a7a235b7c8e6f6194af9028f284414e85a99c22d26683c7499cacef009d33'],
  ] as const)('is pinned, %s', (encryption, hash) => {
    const fixed = { ...emptyState, position: 3, hash: counted(32), segments: new Set([a, b]) }
    expect(toHex(blake3(encodeCheckpoint(fixedKeyring(encryption), fixed, 'none', counted(32))))).toBe(hash)
  })

  const frame = (
    codec: number,
    rawLength: number,
    stored: Uint8Array,
    more: Uint8Array = new Uint8Array(0),
    dictionary = 0,
  ): unknown => {
    const writer = new ByteWriter()
    writer.u8(codec)
    writer.u32(dictionary)
    writer.u32(rawLength)
    writer.u32(stored.length)
    const header = newHeader('checkpoint', 0)
    const plaintext = concatBytes(writer.finish(), stored, more)
    return read(concatBytes(header.bytes, sealer(keyring, header, 'checkpoints').seal(0, 0, plaintext)))
  }
  const body = (counts: readonly number[], tail: Bytes = new Uint8Array(0)): Bytes => {
    const writer = new ByteWriter()
    writer.u64(42)
    writer.bytes(counted(32))
    for (const count of counts) writer.varint(count)
    return concatBytes(writer.finish(), tail)
  }

  const settings = Uint8Array.of(2, 0x7b, 0x7d)

  it('rightly sealed is read, padding and all', () => {
    const good = body([0, 0, 0, 0], settings)
    expect(frame(0, good.length, good)).toMatchObject({ position: 42 })
    expect(frame(0, good.length, good, new Uint8Array(100))).toMatchObject({ position: 42 })
    expect(frame(3, good.length, runtime.deflate(good, 6))).toMatchObject({ position: 42 })
  })

  it.each<[string, () => unknown]>([
    ['with counts beyond its end', () => frame(0, 45, body([2 ** 40]))],
    ['with many segments that are not there', () => frame(0, body([1, 0]).length, body([1, 0]))],
    ['with many snapshots that are not there', () => frame(0, body([0, 2 ** 30]).length, body([0, 2 ** 30]))],
    ['with something after its end', () => frame(0, 43, body([0, 0], counted(1)))],
    ['with a dictionary', () => frame(0, 42, body([0, 0]), undefined, 1)],
    ['of an unknown codec', () => frame(9, 42, body([0, 0]))],
    ['with padding that is not zero', () => frame(0, 42, body([0, 0]), counted(2, 1))],
    ['of 4 GiB', () => frame(3, 2 ** 32 - 1, runtime.deflate(new Uint8Array(10_000_000), 9))],
    ['of 200 MiB that are not there', () => frame(3, 200 * 2 ** 20, runtime.deflate(body([0, 0]), 9))],
    [
      'with a snapshot of later',
      () => {
        const json = new TextEncoder().encode(JSON.stringify(snapshotRecord(1))) as Bytes
        const writer = new ByteWriter()
        writer.u64(43)
        writer.bytes(counted(32))
        writer.u64(0)
        writer.sized(json)
        const bytes = body([0, 1], writer.finish())
        return frame(0, bytes.length, bytes)
      },
    ],
  ])('%s is refused', (_, forged) => {
    expect(forged()).toBe('KLOSET_LOG_CORRUPT')
  })
})
