// A snapshot's record that is authentic and odd costs that snapshot at most: the log goes on, whoever wrote it; and writers commit nothing that readers refuse.
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Source } from '../../src/connector/index.js'
import { CommitLog } from '../../src/log/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import { newStore, scripted } from '../backup/support.js'
import { snapshotRecord } from '../log/helpers.js'
import { keyringOf } from '../support/damage.js'
import { Forger } from '../support/forge.js'
import { allOf, createAt, findingsOf, openAt, placeOf, rawKey } from '../support/stores.js'

afterEach(() => void vi.useRealTimers())

const record = snapshotRecord(7)

/** A place with one sound snapshot, then an entry of a snapshot with this JSON. */
async function placeWith(change: Record<string, unknown>): Promise<ReturnType<typeof placeOf>> {
  const place = placeOf()
  const store = await createAt(place, rawKey)
  await store.backup(scripted({ a: 'one' }))
  await store.close()
  const forger = await Forger.of(place)
  forger.appendRaw(1, true, undefined, JSON.stringify({ ...record, ...change }))
  return place
}

describe('a record with an odd value of a harmless field', () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['a negative duration', { duration: -60_000 }, { duration: 0 }],
    ['a fractional duration', { duration: 1.5 }, { duration: 0 }],
    ['a number as host and user', { host: 42, user: 7 }, { host: 'unknown', user: 'unknown' }],
    ['no tool', { tool: undefined }, { tool: 'unknown' }],
    ['tags that are no list', { tags: 'x' }, { tags: [] }],
    ['a tag that is no text', { tags: ['a', 3] }, { tags: ['a'] }],
    ['a parent that is no id', { parent: 'x' }, {}],
    ['no counts', { written: 3 }, { written: { blobs: 0, bytes: 0, stored: 0 } }],
    [
      'a number as origin',
      { sources: [{ ...record.sources[0], origin: 42, totals: { files: -1 } }] },
      {
        sources: [
          {
            ...record.sources[0],
            origin: 'unknown',
            totals: { files: 0, directories: 0, others: 0, bytes: 0, errors: 0 },
          },
        ],
      },
    ],
  ])('%s: counts as unknown, and the store goes on', async (_, change, expected) => {
    const place = await placeWith(change)
    const log = await CommitLog.open({
      storage: memoryStorage({ place }),
      keyring: await keyringOf(place),
      writer: new Uint8Array(16),
      signal: new AbortController().signal,
    })
    expect(log.damage).toBeUndefined()
    expect(log.state.snapshots.get(record.id)?.record).toMatchObject(expected)
    const store = await openAt(place, rawKey)
    await store.edit([record.id], { tags: { add: ['kept'] } })
    await store.backup(scripted({ a: 'two' }))
    expect(await store.select()).toHaveLength(3)
    await store.close()
  })
})

test.each<[string, Record<string, unknown>]>([
  ['no id', { id: 'x' }],
  ['no time', { time: 'yesterday' }],
  ['a tree that is no id', { sources: [{ ...record.sources[0], tree: '..' }] }],
  ['sources that are no list', { sources: {} }],
])('a record with %s costs that snapshot, check names it, and the store is written on', async (_, change) => {
  const place = await placeWith(change)
  const store = await openAt(place, rawKey)
  expect(await store.select()).toHaveLength(1)
  expect((await findingsOf(store)).map(({ code }) => code)).toEqual(['snapshot-malformed'])
  await store.backup(scripted({ a: 'two' }))
  await store.prune()
  expect(await store.select()).toHaveLength(2)
  await store.close()
})

test('a clock that steps back while a backup runs leaves a store that can be written', async () => {
  const place = placeOf()
  const store = await createAt(place, rawKey)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) })
  const source = scripted({ a: 'one' })
  const { snapshot } = await store.backup({
    ...source,
    async *scan(request) {
      vi.setSystemTime(Date.UTC(2025, 0, 1))
      yield* source.scan(request)
    },
  } as Source)
  expect(snapshot!.duration).toBeGreaterThanOrEqual(0)
  expect(snapshot!.duration).toBeLessThan(3_600_000)
  const again = await openAt(place, rawKey)
  await again.backup(scripted({ a: 'two' }))
  expect(await findingsOf(again)).toEqual([])
})

test('a clock before 1970 does not keep a store from being made and written', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: -1_000_000 })
  const place = placeOf()
  const store = await createAt(place, rawKey)
  await store.backup(scripted({ a: 'one' }))
  await store.close()
  const again = await openAt(place, rawKey)
  await again.backup(scripted({ a: 'two' }))
  expect(await findingsOf(again)).toEqual([])
})

test.each(['type', 'origin', 'root'] as const)(
  'a source whose %s is a number is refused before it is read',
  async (part) => {
    const { store } = await newStore()
    let scanned = false
    const source = scripted({ a: 'one' })
    const odd = {
      ...source,
      [part]: 42,
      async *scan(request: Parameters<Source['scan']>[0]) {
        scanned = true
        yield* source.scan(request)
      },
    }
    await expect(store.backup(odd as unknown as Source)).rejects.toThrow(TypeError)
    await expect(store.backup(source, { [part === 'type' ? 'host' : 'user']: 42 } as object)).rejects.toThrow(TypeError)
    expect(scanned).toBe(false)
    await store.backup(source)
  },
)

test('an entry that readers would refuse or misread is not put', async () => {
  const place = placeOf()
  await (await createAt(place, rawKey)).close()
  const signal = new AbortController().signal
  const storage = memoryStorage({ place })
  const log = await CommitLog.open({ storage, keyring: await keyringOf(place), writer: new Uint8Array(16), signal })
  for (const change of [{ duration: -1 }, { host: 3 }, { id: 'x' }, { time: 'now' }, { written: {} }]) {
    const snapshot = { ...record, ...change } as unknown as typeof record
    const draft = { content: { kind: 'snapshot' as const, snapshot } }
    await expect(log.append(draft, { signal, since: 0, reconsider: () => draft })).rejects.toThrow(TypeError)
  }
  const forget = { content: { kind: 'forget' as const, snapshots: ['x'] } }
  await expect(log.append(forget, { signal, since: 0, reconsider: () => forget })).rejects.toThrow(TypeError)
  expect(await allOf(storage.list('log/', { signal, after: undefined }))).toEqual([])
})
