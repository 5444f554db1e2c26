import { describe, expect, it } from 'vitest'
import { openedStore } from '../../src/facade.js'
import { synchronize } from '../../src/sync/index.js'
import { call, errorsOf, noise, scripted } from '../backup/support.js'
import { commitHandmade, type HandmadeItem } from './handmade.js'
import {
  broughtOver,
  idsOf,
  later,
  newPlaced,
  otherSizes,
  outcomeOf,
  type Placed,
  rich,
  storedTwice,
  told,
} from './support.js'

/** Brings all over, with so few bytes at a time that files go on from one window to the next. */
function inSmallWindows(here: Placed, there: Placed, window: number) {
  return synchronize(openedStore(here.store), openedStore(there.store), {}, call, { window })
}

const MiB = 1024 * 1024
const directory: HandmadeItem = { stat: { type: 'directory' } }
const file = (content: Iterable<Uint8Array<ArrayBuffer> | number>): HandmadeItem => ({
  stat: { type: 'file' },
  content,
})

describe.each([
  { name: 'alike', options: undefined },
  { name: 'cut anew', options: otherSizes },
  { name: 'cut larger', options: { chunker: { min: 4096, normal: 16_384, max: 65_536 } } },
])('$name', ({ options }) => {
  async function given(): Promise<{ here: Placed; there: Placed }> {
    const here = await newPlaced()
    return { here, there: await newPlaced(options ?? { like: here.store }) }
  }

  it('holes stay where they are', async () => {
    const { here, there } = await given()
    const items: Record<string, HandmadeItem> = {
      '': directory,
      ends: file([noise(3_000, 1), 50 * MiB]),
      middle: file([noise(3_000, 1), noise(5_000, 2), 10_000, noise(5_000, 3)]),
      only: file([2 ** 40]),
      row: file([100, 200, noise(9, 4), 300, 400]),
      starts: file([4096, noise(1_000, 1)]),
      // A long list: of single blocks far from each other, as in an image of a disk.
      sparse: file(Array.from({ length: 3_000 }, (_, i) => (i % 2 === 0 ? noise(100, i) : 1_000_000 + i))),
    }
    const id = await commitHandmade(here, items)
    expect(outcomeOf(await here.store.syncTo(there.store))).toEqual(
      broughtOver([id], { rechunked: options !== undefined }),
    )
    expect(await told(there.store, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(there.store)).toEqual([])
    // Changed in the middle: what is around it is there already.
    const changed = { ...items, middle: file([noise(3_000, 1), noise(5_000, 5), 10_000, noise(5_000, 3)]) }
    const next = await commitHandmade(here, changed, 2)
    const result = await here.store.syncTo(there.store)
    expect(await told(there.store, next)).toEqual(await told(here.store, next))
    expect(result.synchronized[0]!.written.bytes).toBeLessThanOrEqual(8_000)
  })

  it('extended attributes that are stored as chunks come along', async () => {
    const { here, there } = await given()
    const long = { 'user.large': [noise(10_000, 1), noise(300, 2)], 'user.other': [noise(2_000, 3)] }
    const stat = { type: 'file', xattrs: { 'user.small': noise(20, 9) } } as const
    const items: Record<string, HandmadeItem> = {
      '': { ...directory, long: { 'user.large': [noise(10_000, 1)] } },
      a: { stat, content: [noise(5_000, 4)], long },
      b: { stat: { ...stat, type: 'symlink', target: 'a' }, long },
      c: { stat, content: [], long: {} },
    }
    await commitHandmade(here, items)
    await commitHandmade(here, { ...items, b: { stat: { type: 'fifo' }, long: { x: [noise(700, 8)] } } }, 2)
    await commitHandmade(here, { ...items, a: { ...items.a!, long: { 'user.large': [noise(9_000, 7)] } } }, 3)
    await here.store.syncTo(there.store)
    for (const id of await idsOf(here.store)) expect(await told(there.store, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(there.store)).toEqual([])
    expect(storedTwice(there)).toEqual([])
  })

  it('a file of many gigabytes with a list of lists', async () => {
    const { here, there } = await given()
    // The same few chunks again and again: large only as what it stands for.
    const chunks = Array.from({ length: 40 }, (_, i) => noise(1_000 + i, i + 1))
    const parts = function* (): Generator<Uint8Array<ArrayBuffer> | number> {
      for (let i = 0; i < 20_000; i++) yield i % 5 === 4 ? 2_000_000 : chunks[(i * i) % 40]!
    }
    const id = await commitHandmade(here, { '': directory, huge: file(parts()) })
    const result = await here.store.syncTo(there.store)
    expect(result.synchronized[0]!.totals.bytes).toBeGreaterThan(8e9)
    expect(result.synchronized.map((each) => each.id)).toEqual([id])
    expect(await errorsOf(there.store)).toEqual([])
    // Both lists say the same: each at its places the same lengths of holes and bytes.
    expect(await there.store.snapshot(id).then((snapshot) => snapshot.stat('huge'))).toEqual(
      await here.store.snapshot(id).then((snapshot) => snapshot.stat('huge')),
    )
    const [mine, theirs] = await Promise.all(
      [here, there].map(({ store }) => rangeOf(store, id, 4_000_000_000, 50_000)),
    )
    expect(theirs).toEqual(mine)
  })
})

async function rangeOf(store: Placed['store'], id: string, start: number, length: number): Promise<number[]> {
  const opened = await (await store.snapshot(id)).open('huge')
  const bytes: number[] = []
  for await (const piece of opened.stream({ start, end: start + length }) as unknown as AsyncIterable<Uint8Array>) {
    bytes.push(...piece)
  }
  return bytes
}

describe('windows', () => {
  it.each([1, 40_000, 100_000, 1_000_000])('of %i bytes cut as one of all', async (window) => {
    const here = await newPlaced()
    await here.store.backup([scripted(rich), scripted({ only: noise(90_000, 77) }, { root: '/other' })])
    await here.store.backup(scripted(later))
    await commitHandmade(here, {
      '': directory,
      holes: file([noise(70_000, 1), 10_000, noise(70_000, 2), noise(100_000, 3), 10_000]),
      one: file([noise(70_000, 1)]),
      two: file([noise(70_000, 2), noise(100_000, 3)]),
    })
    const whole = await newPlaced(otherSizes)
    await here.store.syncTo(whole.store)
    const there = await newPlaced(otherSizes)
    await inSmallWindows(here, there, window)
    const ids = await idsOf(here.store)
    expect(await idsOf(there.store)).toEqual(ids)
    for (const id of ids) expect(await told(there.store, id)).toEqual(await told(here.store, id))
    expect(await errorsOf(there.store)).toEqual([])
    expect(storedTwice(there)).toEqual([])
  })

  it('cut a large file as a backup does', async () => {
    const size = { min: 64 * 1024, normal: 256 * 1024, max: 1024 * 1024 }
    const here = await newPlaced({
      frame: MiB,
      pack: 4 * MiB,
      chunker: { min: 16 * 1024, normal: 32 * 1024, max: 64 * 1024 },
    })
    const specs = { before: noise(100, 1), large: noise(70 * MiB, 2), middle: noise(30 * MiB, 3), after: noise(100, 4) }
    await here.store.backup(scripted(specs, { piece: MiB }))
    const there = await newPlaced({ frame: MiB, pack: 4 * MiB, chunker: size })
    const result = await inSmallWindows(here, there, 24 * MiB)
    expect(result.failed).toEqual([])
    // The same content, backed up there, is there already.
    const again = await there.store.backup(scripted(specs, { piece: MiB, root: '/again' }))
    expect(again.added.bytes).toBe(0)
    expect(again.changes.new).toBe(4)
    expect(await errorsOf(there.store)).toEqual([])
  })
})
