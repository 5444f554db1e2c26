import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createStore, openStore, type Requests, type Store } from 'kloset'
import { expect, it } from 'vitest'
import { errorsOf, fs, fsDestination, noise, open, places, settle, someFiles, threads } from './tools.js'

const place = places()
const engine = threads()
const unlock = { passphrase: 'correct horse' } as const
const none = { put: 0, get: 0, stat: 0, list: 0, remove: 0, usage: 0 }

/** As one command does: opens with what this machine keeps, acts, closes; what it asked of the folder. */
async function run(
  at: string,
  machine: string,
  act: (store: Store) => Promise<unknown>,
): Promise<Requests & { total: number }> {
  const store = await openStore(at, {
    unlock,
    engine,
    connectors: [fs],
    cache: { folder: join(machine, 'cache') },
    remember: join(machine, 'state'),
  })
  try {
    await act(store)
    const { uploaded: _, downloaded: __, ...counts } = store.requests
    return { ...store.requests, total: Object.values(counts).reduce((sum, each) => sum + each, 0) }
  } finally {
    await store.close()
  }
}

const objects = (at: string, folder: string): string[] =>
  readdirSync(join(at, folder), { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{64}$/.test(name))

it('keeps within the budget of requests', async () => {
  const [at, machine] = [place(), place()]
  const source = someFiles(place(), 300)
  writeFileSync(join(source, 'large'), noise(12_000_000, 5))
  await settle()
  const cache = { folder: join(machine, 'cache') }
  const argon2 = { memoryKiB: 8192, passes: 1 }
  const made = { unlock, engine, connectors: [fs], cache, remember: join(machine, 'state'), argon2 }
  const created = await createStore(at, { ...made, pack: 4 * 1024 * 1024 })
  expect(created.requests).toMatchObject({ ...none, get: 1, list: 5, put: 6 })
  await created.close()

  const first = await run(at, machine, (store) => store.backup(source))
  const stored = objects(at, 'packs').length + objects(at, 'index').length
  expect(stored).toBeGreaterThan(5)
  expect(first.total).toBeLessThanOrEqual(stored + 5)

  const unchanged = await run(at, machine, (store) => store.backup(source))
  expect(unchanged).toMatchObject({ ...none, get: 3, put: 1 })

  writeFileSync(join(source, 'more'), noise(100_000, 6))
  await settle()
  const changed = await run(at, machine, (store) => store.backup(source))
  const added = objects(at, 'packs').length + objects(at, 'index').length - stored
  expect(changed).toMatchObject({ ...none, get: 3, put: added + 1 })

  const ls = await run(at, machine, async (store) => {
    for await (const snapshot of store.snapshots()) expect(snapshot.totals.files).toBeGreaterThan(299)
  })
  expect(ls).toMatchObject({ ...none, get: 3 })

  const one = await run(at, machine, async (store) => {
    const snapshot = await store.snapshot('latest')
    const to = await fsDestination(place())
    const { totals, failed } = await store.restore(snapshot, to, { path: 'more' })
    expect([totals.files, failed]).toEqual([1, []])
  })
  expect(one).toMatchObject({ ...none, get: 4 })
  expect(one.downloaded).toBeLessThan(300_000)
}, 120_000)

it('serves several processes from one cache', async () => {
  const [at, machine] = [place(), place()]
  const source = someFiles(place(), 100)
  await settle()
  const made = await createStore(at, { unlock: { plaintext: true }, engine, connectors: [fs] })
  await made.close()
  mkdirSync(machine, { recursive: true })
  const child = fileURLToPath(new URL('./cached-child.mjs', import.meta.url))
  const start = (): Promise<{ stdout: string }> => promisify(execFile)(process.execPath, [child, at, source, machine])
  const outputs = await Promise.all(Array.from({ length: 4 }, start))
  for (const { stdout } of outputs) expect(stdout).toMatch(/^done \d+\n$/)
  const store = await open(at, engine)
  expect((await store.info()).snapshots).toBe(4 * 5)
  expect(await errorsOf(store)).toEqual([])
  await store.close()
  // Whoever comes next has the newest state, whichever of them wrote it.
  const { stdout } = await promisify(execFile)(process.execPath, [child, at, source, machine, 'ls'])
  expect(stdout).toBe('done 3\n')
}, 120_000)
