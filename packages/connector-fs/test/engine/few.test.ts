import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type BackupResult, createEngine, openStore } from 'kloset'
import { expect, test } from 'vitest'
import { create, fs, fsSource, places, threads } from './tools.js'

const place = places()
const engine = threads()

test('an unchanged folder of a few files is backed up without starting a thread', async () => {
  const [folder, at] = [place(), join(place(), 'store')]
  for (const name of ['a', 'b']) writeFileSync(join(folder, name), name)
  // What was modified a moment before a backup is read again.
  await delay(100)
  const store = await create(at, engine)
  await store.backup([await fsSource(folder)])
  await store.close()

  expect(await backUpWithoutThreads(folder, at)).toMatchObject({ changes: { unchanged: 2 }, tried: false })
  // A folder in it may hold anything.
  mkdirSync(join(folder, 'c'))
  expect(await backUpWithoutThreads(folder, at)).toMatchObject({ changes: { unchanged: 2 }, tried: true })
})

test.each([
  ['none', 0, true],
  ['a hundred less one', 99, true],
  ['more', 101, false],
])('with %s in it, a folder is known to have few files: %#', async (_, count, few) => {
  const folder = place()
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `${i}`), '')
  expect((await fsSource(folder)).capabilities.few).toBe(few)
})

test('a single file is few, wherever it is', async () => {
  const folder = place()
  mkdirSync(join(folder, 'beside'))
  writeFileSync(join(folder, 'one'), 'one')
  expect((await fsSource(join(folder, 'one'))).capabilities.few).toBe(true)
  expect((await fsSource(folder)).capabilities.few).toBe(false)
})

/** Backs up with an engine whose threads cannot be started; `tried`: whether that showed. */
async function backUpWithoutThreads(folder: string, at: string): Promise<BackupResult & { readonly tried: boolean }> {
  await using none = createEngine({ workers: 2, worker: new URL('./nowhere.js', import.meta.url) })
  const store = await openStore(at, { unlock: { plaintext: true }, engine: none, connectors: [fs] })
  const result = await store.backup([await fsSource(folder)])
  await store.close()
  return { ...result, tried: none.workers === 0 }
}
