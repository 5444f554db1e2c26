import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, it, vi } from 'vitest'
import type { Notice } from '../../src/api.js'
import { KlosetError } from '../../src/errors.js'
import { runtime } from '../../src/runtime/index.js'
import { cachePlace, StoreCache } from '../../src/store/cache/index.js'
import { folder } from '../client/place.js'

const files = runtime.files!
const id = 'a'.repeat(32)

function cacheIn(at: string, size = 1 << 20, notices: Notice[] = []): StoreCache {
  return new StoreCache({ files, folder: at, size }, id, (notice) => notices.push(notice))
}

const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)

/** Bytes of all files below a folder. */
const used = (at: string): number => files.list(at).reduce((sum, { size }) => sum + size, 0)

describe('a cache', () => {
  it('is none unless one is asked for', () => {
    expect([cachePlace(undefined), cachePlace(false)]).toEqual([undefined, undefined])
    expect(cachePlace(true)).toMatchObject({ folder: files.cacheHome(), size: 4 * 2 ** 30 })
    expect(cachePlace({ folder: '/somewhere' })).toMatchObject({ folder: '/somewhere', size: 4 * 2 ** 30 })
    expect(cachePlace({ size: 7 })).toMatchObject({ folder: files.cacheHome(), size: 7 })
    for (const size of [-1, 1.5, Number.NaN]) expect(() => cachePlace({ size })).toThrow(RangeError)
  })

  it('asks the store once, for all processes', async () => {
    const at = folder()
    let loads = 0
    const load = async (): Promise<Uint8Array> => bytes(100, ++loads)
    const first = (read: Uint8Array): number => read[0]!
    expect([await cacheIn(at).get('index/x', load, first), await cacheIn(at).get('index/x', load, first)]).toEqual([
      1, 1,
    ])
    expect(await cacheIn(at).get('index/y', load, first)).toBe(2)
  })

  it('asks again for what is damaged, and keeps what comes', async () => {
    const at = folder()
    const cache = cacheIn(at)
    cache.keep('index/x', bytes(10, 9))
    const use = (read: Uint8Array): string => {
      if (read[0] === 9) throw new KlosetError('KLOSET_INDEX_CORRUPT', 'damaged')
      return 'good'
    }
    expect(await cache.get('index/x', async () => bytes(10), use)).toBe('good')
    expect(cache.read('index/x')).toEqual(bytes(10))
    // What is damaged in the store is not kept, and told.
    await expect(cache.get('index/z', async () => bytes(1, 9), use)).rejects.toThrow('damaged')
    expect(cache.read('index/z')).toBeUndefined()
    // A failure of the storage, or of whoever asks, says nothing about what is kept.
    const offline = (): never => {
      throw new KlosetError('KLOSET_OFFLINE', 'no network')
    }
    await expect(cache.get('index/x', async () => bytes(1), offline)).rejects.toThrow('no network')
    expect(cache.read('index/x')).toEqual(bytes(10))
  })

  it('keeps parts as one, and gives parts of it', () => {
    const cache = cacheIn(folder())
    cache.keep('frames/a/0', bytes(2, 1), bytes(3, 2))
    const file = cache.open('frames/a/0')!
    const into = new Uint8Array(2)
    expect([file.size, file.read(into, 1), ...into]).toEqual([5, 2, 1, 2])
    file.close()
    expect(cache.names('frames/')).toEqual(['frames/a/0'])
    cache.drop('frames/a/0')
    cache.drop('frames/a/0')
    expect([cache.open('frames/a/0'), cache.names('frames/')]).toEqual([undefined, []])
  })
})

describe('the size of a cache', () => {
  it('holds, and what was not used for longest goes first', () => {
    const at = folder()
    const size = 64 * 1024
    for (let i = 0; i < 100; i++) {
      const cache = cacheIn(at, size)
      cache.keep(`index/${i}`, bytes(2048))
      // As if a minute passed between two runs.
      const path = join(at, id, 'index', String(i))
      if (existsSync(path)) utimesSync(path, 1_000_000 + 60 * i, 1_000_000 + 60 * i)
      // The first one is used in each.
      if (i % 10 === 0) cache.read('index/0')
      cache.close()
      expect(used(at)).toBeLessThanOrEqual(size + 1024)
    }
    const kept = readdirSync(join(at, id, 'index')).map(Number)
    expect(kept).toContain(0)
    expect(kept).toContain(99)
    expect(kept).not.toContain(1)
    expect(kept.length).toBeGreaterThan(20)
  })

  it('leaves a sorted index alone, unless nobody uses it any more', () => {
    for (const [age, stays] of [
      [10 * 24 * 3600, true],
      [40 * 24 * 3600, false],
    ] as const) {
      const at = folder()
      const cache = cacheIn(at, 64 * 1024)
      const path = join(at, id, 'sorted', 'ab'.repeat(16))
      files.write(path, [bytes(30_000)])
      utimesSync(path, Date.now() / 1000 - age, Date.now() / 1000 - age)
      for (let i = 0; i < 30; i++) cache.keep(`index/${i}`, bytes(4000))
      expect(existsSync(path)).toBe(stays)
      expect(used(at)).toBeLessThanOrEqual(64 * 1024 + 1024)
      cache.close()
    }
  })

  it('is for all stores together', () => {
    const at = folder()
    for (let i = 0; i < 40; i++) {
      const place = { files, folder: at, size: 64 * 1024 }
      const cache = new StoreCache(place, String(i % 4).repeat(32), () => undefined)
      cache.keep(`index/${i}`, bytes(4000))
      cache.close()
    }
    expect(used(at)).toBeLessThanOrEqual(64 * 1024 + 1024)
  })

  it('holds in a long run, too', () => {
    const at = folder()
    const cache = cacheIn(at, 64 * 1024)
    for (let i = 0; i < 200; i++) {
      cache.keep(`index/${i}`, bytes(1024))
      expect(used(at)).toBeLessThanOrEqual(64 * 1024 + 1024)
    }
  })

  it('leaves out what would push out all else', () => {
    const cache = cacheIn(folder(), 64 * 1024)
    cache.keep('packs/aa/big', bytes(8 * 1024))
    expect(cache.read('packs/aa/big')).toBeUndefined()
    expect(cacheIn(folder(), 0).names('packs/')).toEqual([])
  })

  it('is looked at now and then only', () => {
    const at = folder()
    cacheIn(at).close()
    const list = vi.spyOn(files, 'list')
    for (let i = 0; i < 20; i++) {
      const cache = cacheIn(at)
      cache.keep(`index/${i}`, bytes(1000))
      cache.close()
    }
    expect(list.mock.calls.length).toBeLessThanOrEqual(1)
    // Whoever keeps nothing cleans nothing.
    list.mockClear()
    cacheIn(at).close()
    expect(list).not.toHaveBeenCalled()
    // After a day it is time, however little came in.
    vi.useFakeTimers({ now: Date.now() + 25 * 3_600_000, toFake: ['Date'] })
    const cache = cacheIn(at)
    cache.keep('index/late', bytes(1))
    cache.close()
    vi.useRealTimers()
    expect(list).toHaveBeenCalledTimes(1)
    list.mockRestore()
  })

  it('leaves alone what somebody is writing, however large that is', () => {
    const at = folder()
    const cache = cacheIn(at, 64 * 1024)
    cache.keep('index/x', bytes(10))
    // The sorted index of a large store, while it is made.
    mkdirSync(join(at, id, 'sorted'), { recursive: true })
    const path = join(at, id, 'sorted', `${'ab'.repeat(16)}.1-2-3-abc.tmp`)
    writeFileSync(path, bytes(100 * 1024))
    for (let i = 0; i < 20; i++) cache.keep(`index/${i}`, bytes(4000))
    cache.close()
    expect(existsSync(path)).toBe(true)
  })

  it('counts what writers left that were killed', () => {
    const at = folder()
    const cache = cacheIn(at)
    cache.keep('index/x', bytes(10))
    const left = join(at, id, 'index', 'y.1-0-1-abc.tmp')
    const running = join(at, id, 'index', 'z.2-0-1-abc.tmp')
    for (const path of [left, running]) writeFileSync(path, 'half')
    utimesSync(left, 1, 1)
    expect(cache.names('index/')).toEqual(['index/x'])
    cache.close()
    expect([existsSync(left), existsSync(running)]).toEqual([false, true])
  })
})

describe('where nothing can be kept', () => {
  it('everything goes on, and one notice tells', async () => {
    const at = join(folder(), 'file')
    writeFileSync(at, '')
    const notices: Notice[] = []
    const cache = cacheIn(at, 1 << 20, notices)
    cache.keep('index/x', bytes(1))
    cache.keep('index/y', bytes(1))
    cache.unfinished = false
    expect(
      await cache.get(
        'index/x',
        async () => bytes(2),
        (read) => read.length,
      ),
    ).toBe(2)
    expect([cache.read('index/x'), cache.open('index/x'), cache.names('index/'), cache.unfinished]).toEqual([
      undefined,
      undefined,
      [],
      true,
    ])
    cache.drop('index/x')
    cache.close()
    expect(notices.map(({ code }) => code)).toEqual(['cache-unusable'])
  })

  it('what is kept is used all the same', () => {
    const at = folder()
    cacheIn(at).keep('index/x', bytes(3))
    const write = vi.spyOn(files, 'write').mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    })
    const notices: Notice[] = []
    const cache = cacheIn(at, 1 << 20, notices)
    cache.keep('index/y', bytes(3))
    expect(cache.read('index/x')).toEqual(bytes(3))
    write.mockRestore()
    expect(notices).toHaveLength(1)
    expect(notices[0]!.message).toMatch(/no space left/)
  })

  it.skipIf(process.getuid?.() === 0)('as in a folder that is read-only', () => {
    const at = folder()
    cacheIn(at).keep('index/x', bytes(3))
    chmodSync(join(at, id, 'index'), 0o500)
    const notices: Notice[] = []
    const cache = cacheIn(at, 1 << 20, notices)
    cache.keep('index/y', bytes(3))
    expect(cache.read('index/x')).toEqual(bytes(3))
    chmodSync(join(at, id, 'index'), 0o700)
    expect(notices).toHaveLength(1)
  })
})

describe('the mark of an unfinished backup', () => {
  it('is there until a backup is known to have ended well', () => {
    const at = folder()
    expect(cacheIn(at).unfinished).toBe(true)
    const first = cacheIn(at)
    first.unfinished = true
    expect(cacheIn(at).unfinished).toBe(true)
    first.unfinished = false
    expect(cacheIn(at).unfinished).toBe(false)
    const killed = cacheIn(at)
    killed.unfinished = true
    expect(cacheIn(at).unfinished).toBe(true)
    const next = cacheIn(at)
    expect(next.unfinished).toBe(true)
    next.unfinished = true
    next.unfinished = false
    expect(cacheIn(at).unfinished).toBe(false)
  })

  it('of a backup stays while another ends beside it', () => {
    const at = folder()
    const [one, other] = [cacheIn(at), cacheIn(at)]
    expect([one.unfinished, other.unfinished]).toEqual([true, true])
    one.unfinished = true
    other.unfinished = true
    one.unfinished = false
    expect(cacheIn(at).unfinished).toBe(true)
    other.unfinished = false
    expect(cacheIn(at).unfinished).toBe(false)
  })
})

describe('files of a cache', () => {
  it('are their owner’s, and hold what the store holds', () => {
    const at = folder()
    cacheIn(at).keep('index/x', bytes(3))
    const path = join(at, id, 'index', 'x')
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes(3))
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
    // Somebody made a folder where a file should be.
    mkdirSync(join(at, id, 'index', 'y'))
    const notices: Notice[] = []
    expect(cacheIn(at, 1 << 20, notices).read('index/y')).toBeUndefined()
    expect(notices).toHaveLength(1)
  })
})
