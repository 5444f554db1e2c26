import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import type { BackupResult, Store } from 'kloset'
import { afterEach, describe, expect, it } from 'vitest'
import { create, differences, errorsOf, noise, places, settle, threads, writeNoise } from './tools.js'

const place = places()
const engine = threads()
const MiB = 1024 * 1024
let timer: NodeJS.Timeout | undefined
afterEach(() => clearInterval(timer))

describe('a large file, which all threads store together', () => {
  it('comes back exactly, of lengths around what is handed out at a time', async () => {
    const source = place()
    const lengths = [24 * MiB - 1, 24 * MiB, 24 * MiB + 1, 64 * MiB, 80 * MiB + 12_345]
    for (const length of lengths) writeNoise(`${source}/${length}`, length, length)
    // One that cannot be cut anywhere but at the largest size.
    writeFileSync(`${source}/zeros`, new Uint8Array(30 * MiB))
    await settle()
    const [at, target] = [place(), place()]
    const store = await create(at, engine)
    const first = await store.backup(source)
    expect(first.failed).toEqual([])
    expect((await store.restore('latest', target)).failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    expect(await errorsOf(store)).toEqual([])
    // The same bytes are cut in the same places by whatever number of threads, so nothing is new.
    const again = await store.backup(source, { parent: null })
    expect(again.added).toMatchObject({ chunks: 0, metadata: 0 })
    // Of a change in the middle only its surroundings are stored.
    const largest = `${source}/${lengths.at(-1)}`
    const file = openSync(largest, 'r+')
    writeSync(file, noise(1_000, 5), 0, 1_000, 40 * MiB)
    closeSync(file)
    const changed = await store.backup(source)
    expect(changed.changes).toEqual({ new: 0, changed: 1, unchanged: 5 })
    expect(changed.added.bytes).toBeLessThan(16 * MiB)
    await store.close()
  })

  it('that is written to meanwhile is reported and marked, and the next backup has it right', async () => {
    const source = place()
    const log = `${source}/log`
    writeNoise(log, 60 * MiB, 1)
    writeNoise(`${source}/still`, 1_000, 2)
    await settle()
    const store = await create(place(), engine)
    const result = await busyWhen('log', store, source, () => appendFileSync(log, 'another line\n'))
    expect(result.failed).toMatchObject([{ path: 'log', error: { code: 'KLOSET_FILE_CHANGED' } }])
    expect((await result.snapshot!.stat('log')).error?.code).toBe('KLOSET_FILE_CHANGED')
    expect(await errorsOf(store)).toEqual([])
    await settle()
    const next = await store.backup(source)
    expect(next.failed).toEqual([])
    expect(next.changes).toEqual({ new: 0, changed: 1, unchanged: 1 })
    const target = place()
    await store.restore('latest', target)
    expect(differences(source, target)).toEqual([])
    await store.close()
  })

  it('that shrinks or vanishes meanwhile is reported, and the others are not lost', async () => {
    const source = place()
    writeNoise(`${source}/shrinks`, 50 * MiB, 3)
    writeNoise(`${source}/vanishes`, 50 * MiB, 4)
    writeNoise(`${source}/zz-other`, 3_000, 5)
    await settle()
    const store = await create(place(), engine)
    const result = await busyWhen('shrinks', store, source, () => {
      const { size } = statSync(`${source}/shrinks`)
      truncateSync(`${source}/shrinks`, Math.max(0, size - 3 * MiB))
      rmSync(`${source}/vanishes`, { force: true })
    })
    expect(result.failed.map(({ path }) => path)).toContain('shrinks')
    expect(await errorsOf(store)).toEqual([])
    const target = place()
    await store.restore('latest', target)
    expect(readFileSync(`${target}/zz-other`)).toEqual(readFileSync(`${source}/zz-other`))
    await store.close()
  })
})

describe('small files', () => {
  it('that change all the time are reported or read at rest, never mixed up', async () => {
    const source = place()
    const paths = Array.from({ length: 200 }, (_, i) => `${source}/f${i}`)
    for (const path of paths) writeFileSync(path, 'a'.repeat(50_000))
    await settle()
    const store = await create(place(), engine)
    let turn = 0
    const stop = busy(() => {
      for (let i = 0; i < 20; i++)
        writeFileSync(paths[turn++ % paths.length]!, 'ab'[turn % 2]!.repeat(40_000 + (turn % 7)))
    })
    const result = await store.backup(source)
    stop()
    for (const { error } of result.failed) expect(error).toMatchObject({ code: 'KLOSET_FILE_CHANGED' })
    const marked = new Set(result.failed.map(({ path }) => path))
    for await (const entry of result.snapshot!.walk()) {
      if (entry.type !== 'file' || marked.has(entry.path)) continue
      const text = await (await result.snapshot!.open(entry.path)).text()
      // What is not marked was read in one state: one letter throughout, or nothing between two writes.
      expect(new Set(text).size).toBeLessThanOrEqual(1)
    }
    await settle()
    expect((await store.backup(source)).failed).toEqual([])
    const target = place()
    await store.restore('latest', target)
    expect(differences(source, target)).toEqual([])
    expect(await errorsOf(store)).toEqual([])
    await store.close()
  })

  it('whose bytes changed and whose time was set back are found by their change time', async () => {
    const source = place()
    const file = `${source}/file`
    writeFileSync(file, 'one')
    utimesSync(file, 1_000, 1_000)
    await settle()
    const store = await create(place(), engine)
    await store.backup(source)
    await settle()
    writeFileSync(file, 'two')
    utimesSync(file, 1_000, 1_000)
    const { changes, snapshot } = await store.backup(source)
    expect(changes.changed).toBe(1)
    expect(await (await snapshot!.open('file')).text()).toBe('two')
    await store.close()
  })
})

/** Does something again and again, from now on, while a backup runs in other threads. */
function busy(act: () => void): () => void {
  act()
  timer = setInterval(act, 2)
  return () => clearInterval(timer)
}

/** Backs up, and does something again and again from when a file was scanned and is about to be read. */
async function busyWhen(path: string, store: Store, source: string, act: () => void): Promise<BackupResult> {
  let stop: (() => void) | undefined
  const result = await store.backup(source, {
    entries: true,
    onEvent: (event) => {
      if (event.type === 'new' && event.path === path) stop ??= busy(act)
    },
  })
  stop?.()
  return result
}
