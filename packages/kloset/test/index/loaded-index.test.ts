import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Notice } from '../../src/api.js'
import { type Bytes, compareBytes, concatBytes, toHex } from '../../src/bytes/index.js'
import { encodeSegment, IndexTable, type Segment } from '../../src/index/index.js'
import { SortedFile } from '../../src/index/sorted/sorted-file.js'
import { SegmentSource } from '../../src/index/sorted/sources.js'
import { sortedFile } from '../../src/index/sorted/write.js'
import { runtime } from '../../src/runtime/index.js'
import { Pool } from '../../src/runtime/pool.js'
import { type MemoryPlace, memoryStorage, metered } from '../../src/storage/index.js'
import { type IndexHelp, LoadedIndex } from '../../src/store/loaded-index.js'
import { type IndexState, SortedFiles, together } from '../../src/store/sorted-files.js'
import { createJob } from '../../src/worker.js'
import { fixedKeyring } from '../crypto/helpers.js'
import { idOf, makeSegment } from './helpers.js'

const keyring = fixedKeyring()
const call = { signal: new AbortController().signal }
const most = { segments: 4, bytes: 1_000_000 }
let parent: string
let folder: string
let place: MemoryPlace
beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'kloset-index-'))
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'sorted-'))
  place = new Map()
})

describe('the index of a store', () => {
  it('is in memory where it is small, and leaves no files', async () => {
    const names = stored(4)
    const { index, gets } = await opened(names)
    expect([index.table.files.length, index.table.inMemory, gets()]).toEqual([0, 4 * each, 4])
    expectAll(index.table, 4)
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['segments', { segments: 4, bytes: 1_000_000_000 }],
    ['bytes', { segments: 1_000, bytes: 3_000 }],
  ])(
    'is in a sorted file where there are many %s, which the next one opens without reading a segment',
    async (_, limits) => {
      const names = stored(9)
      const first = await opened(names, { most: limits })
      expect([first.index.table.files.length, first.index.table.inMemory]).toEqual([1, 0])
      expect(first.gets()).toBe(9)
      expectAll(first.index.table, 9)
      const second = await opened(names, { most: limits })
      expect(second.gets()).toBe(0)
      expectAll(second.index.table, 9)
      expect([...second.index.table.packs()].length).toBe(18)
      for (const { index } of [first, second]) index.close()
    },
  )

  it('grows: what is new is in memory until it is much, and of files of a size one is made', async () => {
    for (let count = 1; count <= 60; count += 1 + (count % 3)) {
      const { index, gets } = await opened(stored(count))
      expectAll(index.table, count)
      expect(gets()).toBeLessThanOrEqual(most.segments + 3)
      expect(index.table.files.length).toBeLessThanOrEqual(4)
      expect(readdirSync(folder).length).toBe(index.table.files.length)
      index.close()
    }
  })

  it('grows while it is open', async () => {
    const { index, follow } = await opened(stored(3))
    const shared = IndexTable.join(index.table.share())
    for (let count = 4; count <= 40; count++) {
      await follow(state(stored(count)))
      expectAll(index.table, count)
    }
    expectAll(shared, 3)
    index.close()
  })

  it('is made anew where a segment does not count any more', async () => {
    const names = stored(9)
    const { index } = await opened(names)
    const [path] = readdirSync(folder)
    const fewer = state(names.slice(1), 10)
    expect(index.isOutdated(fewer)).toBe(true)
    expect(index.isOutdated(state(stored(12), 10))).toBe(false)
    const again = await opened(names.slice(1), { position: 10 })
    expect(again.index.table.has(idOf(0))).toBe(false)
    expect(again.index.table.has(idOf(each))).toBe(true)
    expect([...again.index.table.packs()].length).toBe(16)
    expect(readdirSync(folder)).not.toContain(path)
    for (const one of [index, again.index]) one.close()
  })

  it('leaves alone what a process that is ahead has made', async () => {
    const ahead = await opened(stored(9), { position: 10 })
    const behind = await opened(stored(8), { position: 8 })
    expect(behind.index.table.has(idOf(8 * each))).toBe(false)
    expectAll(behind.index.table, 8)
    expectAll(ahead.index.table, 9)
    expect(readdirSync(folder).length).toBe(2)
    const later = await opened(stored(9), { position: 10 })
    expect([later.gets(), readdirSync(folder).length]).toEqual([0, 1])
    for (const { index } of [ahead, behind, later]) index.close()
  })

  it('can be made by several at once', async () => {
    const names = stored(20)
    const all = await Promise.all(Array.from({ length: 4 }, () => opened(names)))
    for (const { index } of all) expectAll(index.table, 20)
    const { index, gets } = await opened(names)
    expect([gets(), index.table.files.length, readdirSync(folder).length]).toEqual([0, 1, 1])
    expectAll(index.table, 20)
    // The others read on in files that are removed.
    for (const other of all) expectAll(other.index.table, 20)
    for (const one of [...all.map((other) => other.index), index]) one.close()
  })

  it('keeps what was found before it was interrupted', async () => {
    const names = stored(9)
    // One of the files that sorting would have made one of.
    const some = new Map([...place].slice(0, 5))
    const sources = [...some.values()].map((_, i) => new SegmentSource(segment(i)))
    const covers = names.slice(0, 5)
    runtime.files!.write(join(folder, 'ab'.repeat(16)), sortedFile(keyring, sources, { covers, position: 1 }))
    writeFileSync(join(folder, `${'ab'.repeat(16)}.1-1.tmp`), 'half')
    const { index, gets } = await opened(names)
    expect(gets()).toBe(4)
    expectAll(index.table, 9)
    index.close()
  })

  it('reads everything from the storage for those who want that, and leaves them a new file', async () => {
    const names = stored(9)
    const before = await opened(names)
    const [path] = readdirSync(folder)
    damage(join(folder, path!))
    const { index, gets } = await opened(names, { anew: true })
    expect(gets()).toBe(9)
    expectAll(index.table, 9)
    for (const one of [before.index, index]) one.close()
  })
})

describe('a file that is damaged', () => {
  it('is thrown away when that shows at once', async () => {
    const names = stored(9)
    const first = await opened(names)
    first.index.close()
    const [path] = readdirSync(folder)
    const bytes = readFileSync(join(folder, path!))
    bytes[bytes.length - 60]! ^= 1
    writeFileSync(join(folder, path!), bytes)
    writeFileSync(join(folder, 'cd'.repeat(16)), 'nothing like it')
    const { index, gets } = await opened(names)
    expect(gets()).toBe(9)
    expectAll(index.table, 9)
    expect(readdirSync(folder).length).toBe(1)
    expect(readdirSync(folder)).not.toContain(path)
    index.close()
  })

  it.each([
    ['many segments, is made anew', 9],
    ['no more segments than memory holds, goes', 4],
  ])('and turns out to be only later: it is never believed and, of %s', async (_, count) => {
    const names = stored(count)
    const path = join(folder, 'ab'.repeat(16))
    const sources = names.map((_, i) => new SegmentSource(segment(i)))
    runtime.files!.write(path, sortedFile(keyring, sources, { covers: names, position: 1 }))
    damage(path)
    const { index, follow, notices } = await opened(names)
    const wrong = ask(index.table, count)
    expect(wrong).toBeGreaterThan(0)
    await follow(state(names))
    expectAll(index.table, count)
    expect(readdirSync(folder).length).toBe(count > 4 ? 1 : 0)
    expect(readdirSync(folder)).not.toContain('ab'.repeat(16))
    expect(notices.map(({ code }) => code)).toEqual(['index-rebuilt'])
    index.close()
  })

  it('is not made part of another', async () => {
    const names = stored(9)
    const first = await opened(names)
    first.index.close()
    const [path] = readdirSync(folder)
    damage(join(folder, path!))
    const { index, follow } = await opened(stored(18))
    ask(index.table, 18)
    await follow(state(stored(18)))
    expectAll(index.table, 18)
    index.close()
    const again = await opened(stored(18))
    expectAll(again.index.table, 18)
    again.index.close()
  })
})

describe('segments that cannot be used', () => {
  it.each([0, 1])('are told, and the others are known (%i files before)', async (before) => {
    const names = stored(9)
    if (before > 0) (await opened(names.slice(0, 6))).index.close()
    place.delete(`index/${names[7]}`)
    place.set(`index/${names[8]}`, place.get(`index/${names[8]}`)!.map((byte) => byte ^ 1) as Bytes)
    const { index, notices, follow } = await opened(names)
    expect(index.bad.map(({ name, error }) => [name, error.code]).sort()).toEqual(
      [
        [names[7], 'KLOSET_NOT_FOUND'],
        [names[8], 'KLOSET_INDEX_CORRUPT'],
      ].sort(),
    )
    expect(notices.map(({ code }) => code)).toEqual(['index-rebuilt'])
    expectAll(index.table, 7)
    expect(index.table.has(idOf(7 * each))).toBe(false)
    await follow(state([...names]))
    expect(index.bad.length).toBe(2)
    // Its file says that they are not in it: whoever comes later looks for them again.
    for (const file of index.table.files) expect(file.covers).not.toContain(names[7])
    index.close()
  })

  it('make the index outdated where others that were read are gone by then', async () => {
    const names = stored(5)
    const now = state([names[0]!, names[4]!], 12)
    place.delete(`index/${names[2]}`)
    const { index } = await opened(names.slice(0, 3), { refresh: async () => now })
    expect(index.isOutdated(now)).toBe(true)
    const again = await opened([names[0]!, names[4]!])
    expect(again.index.isOutdated(now)).toBe(false)
    expect(again.index.table.has(idOf(each))).toBe(false)
    for (const one of [index, again.index]) one.close()
  })

  it('are read once more where they were damaged on the way', async () => {
    const names = stored(9)
    const storage = memoryStorage({ place })
    const seen = new Set<string>()
    const noisy = {
      ...storage,
      get: async (...args: Parameters<typeof storage.get>) => {
        const bytes = await storage.get(...args)
        if (!seen.has(args[0])) bytes[50]! ^= 1
        seen.add(args[0])
        return bytes
      },
    }
    const index = new LoadedIndex(noisy, keyring, { sorted: sortedFiles(), most })
    await index.follow(state(names), () => undefined, call)
    expect(index.bad).toEqual([])
    expectAll(index.table, 9)
    index.close()
  })

  it('are looked for once more in the log as it is by then', async () => {
    const names = stored(9)
    const now = state([...names.slice(0, 3), ...names.slice(4), ...stored(11).slice(9)], 12)
    place.delete(`index/${names[3]}`)
    let asked = 0
    const { index, notices } = await opened(names, {
      refresh: async () => {
        asked++
        return now
      },
    })
    expect([asked, index.bad, notices]).toEqual([1, [], []])
    expect(index.table.has(idOf(3 * each))).toBe(false)
    expect(index.table.has(idOf(10 * each))).toBe(true)
    expect(index.isOutdated(now)).toBe(false)
    index.close()
  })
})

it('is in memory where no folder can be had, and says so', async () => {
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'not a folder')
  const { index, notices } = await opened(stored(9))
  expect([index.table.files.length, index.table.inMemory]).toEqual([0, 9 * each])
  expectAll(index.table, 9)
  expect(notices.map(({ code }) => code)).toEqual(['cache-unusable'])
  rmSync(folder)
  mkdirSync(folder)
})

it('stops where it is told to', async () => {
  const names = stored(30)
  const controller = new AbortController()
  const storage = memoryStorage({ place })
  const slow = {
    ...storage,
    get: async (...args: Parameters<typeof storage.get>) => {
      if (args[0].endsWith(names[6]!)) controller.abort(new Error('enough'))
      return storage.get(...args)
    },
  }
  const index = new LoadedIndex(slow, keyring, { sorted: sortedFiles(), most })
  const follow = index.follow(state(names), () => undefined, { signal: controller.signal })
  await expect(follow).rejects.toThrow('enough')
})

describe('files that are made one', () => {
  const sizes = (...records: number[]): number[] =>
    together(records.map((each) => ({ records: each }))).map((file) => file.records)

  it('are those of a size, from the smallest on', () => {
    expect(sizes()).toEqual([])
    expect(sizes(5)).toEqual([])
    expect(sizes(5, 30)).toEqual([])
    expect(sizes(5, 20)).toEqual([5, 20])
    expect(sizes(1000, 7, 5, 60, 40)).toEqual([5, 7, 40, 60])
    expect(sizes(0, 0, 1)).toEqual([0, 0])
  })

  it('stay few, and are seldom written', () => {
    let files: number[] = []
    let written = 0
    for (let i = 0; i < 2_000; i++) {
      const all = [...files, 1]
      const merged = sizes(...all)
      for (const one of merged) all.splice(all.indexOf(one), 1)
      if (merged.length > 0) all.push(merged.reduce((sum, one) => sum + one))
      written += merged.reduce((sum, one) => sum + one, 0)
      files = all
      expect(files.length).toBeLessThanOrEqual(6)
    }
    expect(written / 2_000).toBeLessThan(12)
  })
})

const each = 12

/** Segment number `i` as it is read: two packs, 12 ids from `12 × i` on. */
function segment(i: number): Segment {
  const made = makeSegment({ packs: 2, frames: 2, records: 3, first: each * i, name: 10_000 + 2 * i })
  const rows = Array.from({ length: each }, (_, row) => made.records.subarray(44 * row, 44 * row + 44))
  return { ...made, records: concatBytes(...rows.sort(compareBytes)) }
}

const names: string[] = []

/** Puts the first `count` segments into the place; gives their names. */
function stored(count: number): string[] {
  for (let i = 0; i < count; i++) {
    const salt = new Uint8Array(32).fill(i)
    const { name, bytes } = encodeSegment(keyring, segment(i), salt)
    names[i] = name
    if (!place.has(`index/${name}`)) place.set(`index/${name}`, bytes)
  }
  return names.slice(0, count)
}

function state(segments: readonly string[], position = 5): IndexState {
  return { segments: new Set(segments), position }
}

function sortedFiles(): SortedFiles {
  return new SortedFiles({ keyring, files: runtime.files!, folder, pool: new Pool(0, undefined, createJob) })
}

async function opened(
  segments: readonly string[],
  { position = 5, ...help }: Partial<IndexHelp> & { position?: number } = {},
): Promise<{
  index: LoadedIndex
  gets(): number
  notices: Notice[]
  follow(state: IndexState): Promise<void>
}> {
  const storage = metered(memoryStorage({ place }))
  const notices: Notice[] = []
  const index = new LoadedIndex(storage, keyring, { sorted: sortedFiles(), most, ...help })
  const follow = (now: IndexState): Promise<void> => index.follow(now, (notice) => notices.push(notice), call)
  await follow(state(segments, position))
  return { index, gets: () => storage.meter.requests.get, notices, follow }
}

/** The first `count` segments are known, and nothing else. */
function expectAll(table: IndexTable, count: number): void {
  for (let i = 0; i < count * each; i++) {
    expect(table.has(idOf(i))).toBe(true)
    const places = table.locateAll(idOf(i))
    expect(places.map(({ frame }) => [toHex(frame.pack), frame.ordinal])).toEqual([
      [
        toHex(idOf(0x4000_0000 + 10_000 + 2 * Math.floor(i / each) + Math.floor((i % each) / 6))),
        Math.floor((i % 6) / 3),
      ],
    ])
  }
  for (let i = 0; i < 50; i++) expect(table.has(idOf(500_000 + i))).toBe(false)
}

/** Asks for everything; gives how often the answer was that it cannot be known. Wrong answers fail. */
function ask(table: IndexTable, count: number): number {
  let refused = 0
  for (let i = 0; i < count * each; i++) {
    try {
      expect(table.locateAll(idOf(i)).length).toBe(1)
    } catch (error) {
      if ((error as { code?: string }).code !== 'KLOSET_INDEX_CORRUPT') throw error
      refused++
    }
    if (!table.has(idOf(i))) refused++
  }
  return refused
}

/** Changes a byte of the last block of records. */
function damage(path: string): void {
  const file = SortedFile.open(keyring, path)!
  const at = file.layout.directory - 2_000
  file.close()
  const bytes = readFileSync(path)
  bytes[at]! ^= 1
  writeFileSync(path, bytes)
}
