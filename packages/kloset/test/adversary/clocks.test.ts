import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Notice } from '../../src/api.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { createFrom, type Machine, machine, openFrom, run } from '../client/place.js'
import { files, sourceWith } from '../support/samples.js'
import { allOf, filesOf, placeOf, restored } from '../support/stores.js'

const now = Date.UTC(2026, 0, 31, 12)
const hour = 3_600_000
const years = 10 * 365 * 24 * hour

let place: MemoryPlace
let mine: Machine

/** A backup by a client whose clock says `time`. */
async function backupAt(time: number, content: string): Promise<{ id: string; parent: string | undefined }> {
  vi.setSystemTime(time)
  let made = ''
  await run(openFrom(place, mine), async (store) => {
    made = (await store.backup(sourceWith(files({ a: content })))).snapshot!.id
  })
  let parent: string | undefined
  await run(openFrom(place, mine), async (store) => {
    parent = (await store.snapshot(made)).parent
  })
  return { id: made, parent }
}

/** What `latest` is for a client whose clock says `time`, what is in it, the order of all, and what the client was told. */
async function lookAt(time: number): Promise<{ latest: string; content: string; order: string[]; told: string[] }> {
  vi.setSystemTime(time)
  const notices: Notice[] = []
  let found = { latest: '', content: '', order: [] as string[] }
  await run(openFrom(place, mine, { notices }), async (store) => {
    const { id } = await store.snapshot('latest')
    const content = new TextDecoder().decode([...filesOf((await restored(store, 'latest')).found).values()][0])
    found = { latest: id, content, order: (await allOf(store.snapshots())).map((each) => each.id) }
  })
  return { ...found, told: notices.map(({ code }) => code) }
}

beforeEach(async () => {
  vi.useFakeTimers({ now, toFake: ['Date'] })
  place = placeOf()
  mine = machine()
  await run(createFrom(place, mine))
})
afterEach(() => {
  vi.useRealTimers()
})

it('a snapshot dated in the future is reported, and is not the latest once another one came after it', async () => {
  const first = await backupAt(now, '1')
  const wrong = await backupAt(now + years, 'two')
  // It is the newest in the log, so its content is what is wanted; but the user hears of it.
  expect(await lookAt(now + hour)).toMatchObject({ latest: wrong.id, content: 'two', told: ['snapshot-in-future'] })
  const third = await backupAt(now + 2 * hour, '3')
  const fourth = await backupAt(now + 3 * hour, 'fourth')
  expect(await lookAt(now + 4 * hour)).toEqual({
    latest: fourth.id,
    content: 'fourth',
    order: [first.id, wrong.id, third.id, fourth.id],
    told: [],
  })
  expect([third.parent, fourth.parent]).toEqual([wrong.id, third.id])
})

it('clocks that are minutes apart change nothing', async () => {
  const first = await backupAt(now + 10 * 60_000, '1')
  const second = await backupAt(now, '2')
  expect(await lookAt(now)).toMatchObject({ latest: first.id, order: [second.id, first.id], told: [] })
})

it('a client whose clock is years behind has its snapshots where their times say', async () => {
  const first = await backupAt(now, '1')
  const old = await backupAt(now - years, '2')
  const third = await backupAt(now + hour, '3')
  expect((await lookAt(now + 2 * hour)).latest).toBe(third.id)
  expect((await lookAt(now + 2 * hour)).order.slice(-1)).toEqual([third.id])
  expect((await lookAt(now + 2 * hour)).order).toContain(old.id)
  expect((await lookAt(now + 2 * hour)).order).toContain(first.id)
})
