import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { KlosetError } from '../../src/errors.js'
import { type Script, scriptedModule, still } from './scripted-side.js'
import { contents, errorsOf, newStore, noise, type Scripted, type Specs, scripted, told } from './support.js'

/** A source whose files are read through a worker module. */
function worked(
  specs: Specs,
  open: Script['open'],
  more: Partial<Scripted> = {},
): { source: Scripted; script: Script } {
  const script: Script = { specs, open, opened: [] }
  return { source: { ...scripted(specs, { worker: scriptedModule(script) }), ...more }, script }
}

const denied = new KlosetError('KLOSET_DENIED', 'permission denied')

describe('a file that cannot be read', () => {
  it.each(['plain', 'worker'])(
    'is reported and stands in the snapshot with its error; the others are kept (%s)',
    async (way) => {
      const { store } = await newStore()
      const specs: Specs = { a: 'aaa', bad: { content: 'bbb', unreadable: denied }, c: 'ccc' }
      const make = (): Scripted =>
        way === 'plain'
          ? scripted(specs)
          : worked(specs, (path) => {
              if (path === 'bad') throw denied
              return still(new TextEncoder().encode(path.repeat(3)))
            }).source
      const { result, events } = await told(store, make())
      expect(result.failed).toMatchObject([{ path: 'bad', error: { code: 'KLOSET_DENIED' } }])
      expect(result.failedCount).toBe(1)
      expect(events).toContain('failed bad')
      expect(result.totals).toMatchObject({ files: 3, errors: 1 })
      const entry = await result.snapshot!.stat('bad')
      expect(entry).toMatchObject({ size: 3, error: { code: 'KLOSET_DENIED', message: 'permission denied' } })
      expect(entry.contentSize).toBeUndefined()
      await expect(result.snapshot!.open('bad')).rejects.toMatchObject({ code: 'KLOSET_PATH_NOT_FOUND' })
      expect(Object.keys(await contents(store))).toEqual(['a', 'c'])
      // And it is tried again, although nothing about it changed.
      const again = await told(store, make())
      expect(again.result.failedCount).toBe(1)
      expect(again.events).toEqual(expect.arrayContaining(['unchanged a', 'changed bad', 'unchanged c']))
      expect(await errorsOf(store)).toEqual([])
    },
  )

  it('in the middle keeps nothing of it', async () => {
    const { store } = await newStore()
    const { source } = worked({ bad: noise(100_000), good: noise(9_000, 2) }, (path) =>
      path === 'good'
        ? still(noise(9_000, 2))
        : still(noise(100_000), {
            read() {
              throw denied
            },
          }),
    )
    const result = await store.backup(source)
    expect(result.failed).toMatchObject([{ path: 'bad' }])
    expect(await contents(store)).toEqual({ good: toHex(noise(9_000, 2)) })
    expect(await errorsOf(store)).toEqual([])
  })

  it('that vanished after the scan is reported', async () => {
    const { store } = await newStore()
    const gone = new KlosetError('KLOSET_NOT_FOUND', 'it does not exist')
    const { result } = await told(store, scripted({ here: 'h', gone: { content: 'g', unreadable: gone } }))
    expect(result.failed).toMatchObject([{ path: 'gone', error: { code: 'KLOSET_NOT_FOUND' } }])
    expect((await result.snapshot!.stat('gone')).error?.code).toBe('KLOSET_NOT_FOUND')
  })

  it('with an error that is none of ours is reported with its text', async () => {
    const { store } = await newStore()
    const result = await store.backup(scripted({ bad: { content: 'b', unreadable: new Error('the tape is torn') } }))
    expect((await result.snapshot!.stat('bad')).error).toEqual({
      code: 'KLOSET_CONNECTOR',
      message: 'the tape is torn',
    })
  })
})

describe('a plain source that gives', () => {
  it.each([
    ['fewer', 5_000],
    ['more', 30_000],
  ])('%s bytes than the scan said is reported, and what it gave is kept', async (_, length) => {
    const { store } = await newStore()
    const specs: Specs = { file: { content: noise(length), size: 20_000 } }
    const a = await told(store, scripted(specs))
    expect(a.result.failed).toMatchObject([{ path: 'file', error: { code: 'KLOSET_FILE_CHANGED' } }])
    expect(await contents(store)).toEqual({ file: toHex(noise(length)) })
    const b = await told(store, scripted(specs))
    expect(b.events).toContain('changed file')
  })
})

describe('a file that changes while it is read', () => {
  const size = 50_000

  it('once is read again, and the second reading is what is kept', async () => {
    const { store } = await newStore()
    const { source, script } = worked({ log: noise(size, 1) }, (_, count) =>
      count === 0
        ? still(noise(size, 1), { changed: () => 'now' })
        : still(noise(size, 2), { changed: () => 'earlier' }),
    )
    const result = await store.backup(source)
    expect(script.opened).toEqual(['log', 'log'])
    expect(result.failed).toEqual([])
    expect(await contents(store)).toEqual({ log: toHex(noise(size, 2)) })
    expect(await errorsOf(store)).toEqual([])
  })

  it.each([100, size, 200_000])(
    'twice is reported; what was read is kept, marked and read again next time (%i bytes)',
    async (length) => {
      const { store } = await newStore()
      const specs: Specs = { log: noise(length, 1), other: 'o' }
      const open: Script['open'] = (path, count) =>
        path === 'other'
          ? still(new TextEncoder().encode('o'))
          : still(noise(length, count + 1), { changed: () => 'now' })
      const { source } = worked(specs, open)
      const { result } = await told(store, source)
      expect(result.failed).toMatchObject([{ path: 'log', error: { code: 'KLOSET_FILE_CHANGED' } }])
      const entry = await result.snapshot!.stat('log')
      expect(entry).toMatchObject({ contentSize: length, error: { code: 'KLOSET_FILE_CHANGED' } })
      expect((await contents(store)).log).toBe(toHex(noise(length, 2)))
      const quiet = worked(specs, (path) => still(path === 'log' ? noise(length, 1) : new TextEncoder().encode('o')))
      const again = await told(store, quiet.source)
      expect(again.events).toEqual(['changed log', 'unchanged other'])
      expect(again.result.failedCount).toBe(0)
      expect((await again.result.snapshot!.stat('log')).error).toBeUndefined()
      expect((await contents(store)).log).toBe(toHex(noise(length, 1)))
      expect(await errorsOf(store)).toEqual([])
    },
  )

  it('by growing or shrinking between scan and reading is kept as it was when it was read', async () => {
    const { store } = await newStore()
    const { source } = worked({ grew: noise(3_000), shrank: noise(3_000) }, (path) =>
      still(noise(path === 'grew' ? 70_000 : 10), { changed: () => 'earlier' }),
    )
    const result = await store.backup(source)
    expect(result.failed).toEqual([])
    expect(await contents(store)).toEqual({ grew: toHex(noise(70_000)), shrank: toHex(noise(10)) })
    const again = worked({ grew: noise(70_000), shrank: noise(10) }, (path) =>
      still(noise(path === 'grew' ? 70_000 : 10)),
    )
    expect((await store.backup(again.source)).changes).toMatchObject({ changed: 2, unchanged: 0 })
  })
})

describe('a scan', () => {
  it('that cannot list a directory reports it and goes on', async () => {
    const { store } = await newStore()
    const specs: Specs = {
      'a/file': 'a',
      closed: { type: 'directory', mode: 0o700, failure: denied },
      'z/file': 'z',
    }
    const { result } = await told(store, scripted(specs))
    expect(result.failed).toMatchObject([{ path: 'closed', error: { code: 'KLOSET_DENIED' } }])
    expect(await result.snapshot!.stat('closed')).toMatchObject({
      type: 'directory',
      mode: 0o700,
      error: { code: 'KLOSET_DENIED' },
    })
    expect(Object.keys(await contents(store))).toEqual(['a/file', 'z/file'])
    // The error is of that time: nothing of it is left once the directory can be listed.
    const next = await told(store, scripted({ 'a/file': 'a', 'closed/inside': 'i', 'z/file': 'z' }))
    expect(next.result.failedCount).toBe(0)
    expect(next.events).toEqual(['unchanged a/file', 'new closed/inside', 'unchanged z/file'])
  })

  it('that cannot look at an entry reports it', async () => {
    const { store } = await newStore()
    const { result } = await told(store, scripted({ a: 'a', odd: { failure: denied }, z: 'z' }))
    expect(result.failed).toMatchObject([{ path: 'odd' }])
    expect(result.snapshot!.totals).toMatchObject({ errors: 1 })
    expect((await result.snapshot!.stat('odd')).error?.code).toBe('KLOSET_DENIED')
  })

  it.each(['plain', 'worker'])('that fails fails the backup, and nothing is committed (%s)', async (way) => {
    const { store } = await newStore()
    await store.backup(scripted({ file: 'f' }))
    const broken = new KlosetError('KLOSET_OFFLINE', 'the cable was pulled')
    let settled: string | undefined = 'never told'
    const hear = async ({ snapshot }: { snapshot: string | undefined }): Promise<void> => {
      settled = snapshot
    }
    const specs: Specs = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, noise(9_000, i)]))
    const source =
      way === 'plain'
        ? scripted(specs, {
            onBatch: (number) => {
              if (number === 4) throw broken
            },
          })
        : worked(
            {
              ...specs,
              get x(): string {
                throw broken
              },
            },
            () => still(noise(9_000)),
          ).source
    await expect(store.backup({ ...source, settled: hear })).rejects.toMatchObject({ code: 'KLOSET_OFFLINE' })
    expect(settled).toBeUndefined()
    expect((await store.info()).snapshots).toBe(1)
    expect(await errorsOf(store)).toEqual([])
    const whole = await store.backup(scripted(specs))
    expect(whole.failedCount).toBe(0)
    expect(await errorsOf(store)).toEqual([])
  })

  it.each(['a/../../b', '/etc/x', 'a//b', 'nul\0'])('that gives the unsafe path %j fails the backup', async (path) => {
    const { store } = await newStore()
    await expect(store.backup(scripted({ [path]: 'x' }, { bare: true }))).rejects.toThrow()
    expect((await store.info()).snapshots).toBe(0)
  })

  it('that promises path order and does not keep it fails the backup', async () => {
    const { store } = await newStore()
    const source = scripted({ a: 'a', b: 'b', c: 'c' }, { order: (paths) => paths.reverse(), bare: true })
    await expect(store.backup(source)).rejects.toThrow()
    expect((await store.info()).snapshots).toBe(0)
  })
})

describe('an atomic source', () => {
  it.each(['plain', 'worker', 'scan'])('fails as a whole where one entry fails (%s)', async (way) => {
    const { store } = await newStore()
    const specs: Specs =
      way === 'scan'
        ? { a: 'a', bad: { failure: denied }, z: 'z' }
        : { a: 'a', bad: { content: 'b', unreadable: denied }, z: 'z' }
    const plain = scripted(specs, { capabilities: { atomic: true } })
    const script: Script = {
      specs,
      opened: [],
      open: (path) => {
        if (path === 'bad') throw denied
        return still(new TextEncoder().encode(path))
      },
    }
    const source = way === 'worker' ? { ...plain, worker: scriptedModule(script) } : plain
    await expect(store.backup(source)).rejects.toMatchObject({ code: 'KLOSET_DENIED' })
    expect((await store.info()).snapshots).toBe(0)
  })
})
