import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { create, differences, errorsOf, open, places, settle, someFiles, threads, writeNoise } from './tools.js'

const place = places()
const engine = threads()

describe('a restore that is aborted', () => {
  it.each([2, 30, 90])('when about %i files are done leaves only whole files, and nothing else', async (files) => {
    const source = someFiles(place(), 150)
    // Written by several requests, so that it is open for long.
    writeNoise(`${source}/0/huge`, 40_000_000, 5)
    const [at, target] = [place(), place()]
    const store = await create(at, engine)
    await store.backup(source)
    const stop = new AbortController()
    let done = 0
    const work = store.restore('latest', target, {
      signal: stop.signal,
      entries: true,
      onEvent: () => {
        if (++done === files) stop.abort(new Error('enough'))
      },
    })
    await expect(work).rejects.toThrow('enough')
    expect(readdirSync(target, { recursive: true }).filter((name) => String(name).includes('.kloset-'))).toEqual([])
    // Directories get their times and modes at the end.
    const wrong = differences(source, target).filter((line) => !/only in|: mode|: mtime/.test(line))
    expect(wrong).toEqual([])
    const again = await store.restore('latest', target, { overwrite: 'if-changed' })
    expect(again.failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    await store.close()
  })
})

describe('a backup that is aborted', () => {
  it.each([1, 3, 6])('after %i objects commits nothing, and the next one uses what is there', async (objects) => {
    const source = someFiles(place(), 200)
    await settle()
    const at = place()
    const store = await create(at, engine, true)
    const stop = new AbortController()
    let stored = 0
    const work = store.backup(source, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'stored' && ++stored === objects) stop.abort(new Error('enough'))
      },
    })
    await expect(work).rejects.toThrow('enough')
    expect((await store.info()).snapshots).toBe(0)
    expect(await errorsOf(store)).toEqual([])
    const result = await store.backup(source)
    expect(result.failed).toEqual([])
    const fresh = await open(at, engine)
    const target = place()
    await fresh.restore('latest', target)
    expect(differences(source, target)).toEqual([])
    await fresh.close()
    await store.close()
  })
})
