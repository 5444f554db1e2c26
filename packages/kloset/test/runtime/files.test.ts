import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes/index.js'
import { runtime } from '../../src/runtime/index.js'
import { folder } from '../client/place.js'

const files = runtime.files!

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('files of this machine', () => {
  it('are written whole, for their owner only, with the folders they need', () => {
    const path = join(folder(), 'a', 'b', 'c')
    files.write(path, [utf8('one '), new Uint8Array(), utf8('two')])
    expect(new TextDecoder().decode(files.read(path))).toBe('one two')
    files.write(path, [utf8('three')])
    expect(new TextDecoder().decode(files.read(path))).toBe('three')
    if (process.platform === 'win32') return
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  it('that are absent are undefined, whatever is in the way', () => {
    const at = folder()
    writeFileSync(join(at, 'file'), '')
    for (const path of [join(at, 'none'), join(at, 'none', 'deeper'), join(at, 'file', 'below')]) {
      expect(files.read(path)).toBeUndefined()
      expect(files.open(path)).toBeUndefined()
      expect(files.list(path)).toEqual([])
      files.remove(path)
      files.touch(path)
    }
  })

  it('leave nothing behind when they cannot be written', () => {
    const at = folder()
    mkdirSync(join(at, 'taken', 'inside'), { recursive: true })
    expect(() => files.write(join(at, 'taken'), [utf8('x')])).toThrow()
    const failing = function* (): Generator<Uint8Array> {
      yield utf8('half')
      throw new Error('no more')
    }
    expect(() => files.write(join(at, 'half'), failing())).toThrow('no more')
    expect(readdirSync(at)).toEqual(['taken'])
  })

  it('are read in parts, and on although their name is gone', () => {
    const path = join(folder(), 'file')
    files.write(path, [utf8('0123456789')])
    const file = files.open(path)!
    files.remove(path)
    expect(file.size).toBe(10)
    const into = new Uint8Array(4)
    expect([file.read(into, 3), new TextDecoder().decode(into)]).toEqual([4, '3456'])
    expect([file.read(into, 8), new TextDecoder().decode(into.subarray(0, 2))]).toEqual([2, '89'])
    expect([file.read(into, 10), file.read(into, 99)]).toEqual([0, 0])
    file.close()
    expect(files.read(path)).toBeUndefined()
  })

  it('are listed with their sizes and when they were used', () => {
    const at = folder()
    const before = Date.now() - 2_000
    files.write(join(at, 'a'), [utf8('12')])
    files.write(join(at, 'b', 'c'), [utf8('345')])
    mkdirSync(join(at, 'empty'))
    const listed = files.list(at).sort((a, b) => (a.name < b.name ? -1 : 1))
    expect(listed.map(({ name, size }) => [name, size])).toEqual([
      ['a', 2],
      ['b/c', 3],
    ])
    for (const { used } of listed) expect(used).toBeGreaterThan(before)
    vi.useFakeTimers({ now: Date.now() + 3_600_000, toFake: ['Date'] })
    files.touch(join(at, 'a'))
    vi.useRealTimers()
    const used = new Map(files.list(at).map((file) => [file.name, file.used]))
    expect(used.get('a')! - used.get('b/c')!).toBeGreaterThan(3_500_000)
  })

  it('are where the XDG specification says', () => {
    vi.stubEnv('HOME', '/home/somebody')
    vi.stubEnv('XDG_CACHE_HOME', '')
    vi.stubEnv('XDG_STATE_HOME', 'not/absolute')
    expect([files.cacheHome(), files.stateHome()]).toEqual([
      '/home/somebody/.cache/kloset',
      '/home/somebody/.local/state/kloset',
    ])
    vi.stubEnv('XDG_CACHE_HOME', '/var/tmp/cache')
    vi.stubEnv('XDG_STATE_HOME', '/var/tmp/state')
    expect([files.cacheHome(), files.stateHome()]).toEqual(['/var/tmp/cache/kloset', '/var/tmp/state/kloset'])
  })

  it.skipIf(process.getuid?.() === 0)('that may not be written throw what the system says', () => {
    const at = folder()
    chmodSync(at, 0o500)
    expect(() => files.write(join(at, 'file'), [utf8('x')])).toThrow(/EACCES/)
    chmodSync(at, 0o700)
    rmSync(at, { recursive: true })
  })

  it('are never seen half-written by other threads', async () => {
    const path = join(folder(), 'file')
    files.write(path, [new Uint8Array(1 << 16).fill(1)])
    const worker = new Worker(
      `const { readFileSync } = require('node:fs')
       const { parentPort, workerData } = require('node:worker_threads')
       let torn = 0
       for (let i = 0; i < 500; i++) {
         const bytes = readFileSync(workerData)
         if (bytes.length !== 65536 || bytes.some((byte) => byte !== bytes[0])) torn++
       }
       parentPort.postMessage(torn)`,
      { eval: true, workerData: path },
    )
    let torn: number | undefined
    worker.on('message', (value: number) => {
      torn = value
    })
    for (let i = 0; torn === undefined; i++) {
      files.write(path, [new Uint8Array(1 << 15).fill(i), new Uint8Array(1 << 15).fill(i)])
      await new Promise((resolve) => setImmediate(resolve))
    }
    await worker.terminate()
    expect(torn).toBe(0)
    expect(readdirSync(join(path, '..'))).toEqual(['file'])
  })
})
