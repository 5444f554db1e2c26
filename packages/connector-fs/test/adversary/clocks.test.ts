import { existsSync, readdirSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fsDestination } from '../../src/destination.js'
import { fsStorage } from '../../src/storage.js'
import { places, signal } from '../places.js'

// A client whose clock is wrong: it judges the age of others' temporary files by the clock of the file system, so that it removes none of theirs.

const place = places()
const hour = 60 * 60 * 1000

afterEach(() => void vi.useRealTimers())

describe('a client whose clock is two days off', () => {
  for (const days of [2, -2, 4000]) {
    test(`by ${days} days leaves the temporary files of others alone, and removes old ones`, async () => {
      const at = place()
      await fsStorage(at, { mode: 'create' })
      const [live, old] = [`${at}/tmp~/live`, `${at}/tmp~/old`]
      for (const path of [live, old]) writeFileSync(path, 'half')
      const yesterday = (Date.now() - 25 * hour) / 1000
      utimesSync(old, yesterday, yesterday)
      vi.useFakeTimers({ now: Date.now() + days * 24 * hour, toFake: ['Date'] })
      await fsStorage(at)
      expect(readdirSync(`${at}/tmp~`)).toEqual(['live'])
    })
  }
})

describe('a restore by a machine whose clock is wrong', () => {
  for (const days of [2, -2]) {
    test(`by ${days} days leaves what another machine is writing alone, and removes old leftovers`, async () => {
      const at = place()
      const [live, old] = ['live', 'old'].map((end) => `${at}/.kloset-0123456789ab-1-01234567-${end}`)
      for (const path of [live!, old!]) writeFileSync(path, 'half')
      const yesterday = (Date.now() - 25 * hour) / 1000
      utimesSync(old!, yesterday, yesterday)
      vi.useFakeTimers({ now: Date.now() + days * 24 * hour, toFake: ['Date'] })
      await fsDestination(at, { mode: 'create' })
      expect(readdirSync(at).map((name) => `${at}/${name}`)).toEqual([live])
    })
  }
})

describe('a writer whose temporary file is removed under it', () => {
  test('writes the object again', async () => {
    const at = place()
    const storage = await fsStorage(at, { mode: 'create' })
    for (const ifAbsent of [true, false]) {
      const name = `packs/${ifAbsent}`
      let removed = 0
      const remove = setInterval(() => {
        for (const each of existsSync(`${at}/tmp~`) ? readdirSync(`${at}/tmp~`) : []) {
          if (removed > 0) return
          unlinkSync(`${at}/tmp~/${each}`)
          removed++
        }
      })
      const body = new Uint8Array(64 * 1024 * 1024).fill(7)
      expect(await storage.put(name, body, { signal, ifAbsent, tier: 'hot' })).toBe('stored')
      clearInterval(remove)
      expect(removed).toBe(1)
      expect(await storage.stat(name, { signal })).toEqual({ size: body.length })
    }
    expect(readdirSync(`${at}/tmp~`)).toEqual([])
  })

  test('makes their folder again, and gives up where the store is gone', async () => {
    const at = place()
    const storage = await fsStorage(at, { mode: 'create' })
    const how = { signal, ifAbsent: true, tier: 'hot' } as const
    rmSync(`${at}/tmp~`, { recursive: true })
    expect(await storage.put('a/b', new Uint8Array(3), how)).toBe('stored')
    rmSync(at, { recursive: true })
    await expect(storage.put('a/c', new Uint8Array(3), how)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    expect(existsSync(at)).toBe(false)
  })
})
