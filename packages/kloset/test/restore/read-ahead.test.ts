import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReadAhead, type Reading } from '../../src/restore/read-ahead.js'
import type { Request } from '../../src/restore/window.js'
import type { ReadFrames } from '../../src/store/reads.js'

/** A line on which nothing arrives until it is told. */
class Slow {
  readonly begun: Request[] = []
  readonly #ends = new Map<Request, { resolve(frames: ReadFrames): void; reject(error: Error): void }>()

  readonly read = (request: Request): Promise<ReadFrames> => {
    this.begun.push(request)
    return new Promise((resolve, reject) => this.#ends.set(request, { resolve, reject }))
  }

  /** Ends what is under way of a request. */
  async end(request: Request, error?: Error): Promise<void> {
    const end = this.#ends.get(request)
    if (error === undefined) end?.resolve({ header: new Uint8Array(1), bytes: new Uint8Array(1), from: 0 })
    else end?.reject(error)
    await Promise.resolve()
  }
}

const requests = (count: number): Request[] => Array.from({ length: count }, () => ({}) as Request)

describe('reading ahead', () => {
  it('reads no further than writing needs, as long as what is wanted is there', async () => {
    const slow = new Slow()
    const ahead = new ReadAhead(slow.read, 2, 16)
    const readings = ahead.add(requests(6))
    expect(slow.begun.length).toBe(2)
    for (const [i, reading] of readings.entries()) {
      await slow.end(reading.request)
      await ahead.take(reading)
      expect(slow.begun.length).toBe(Math.min(6, i + 2))
      ahead.done(reading)
    }
  })

  it('reads further ahead each time that somebody has to wait, up to what the storage does at once', async () => {
    const slow = new Slow()
    const ahead = new ReadAhead(slow.read, 2, 3)
    const readings = ahead.add(requests(20))
    for (const reading of readings.slice(0, 2)) void ahead.take(reading)
    expect(slow.begun.length).toBe(4)
    for (const reading of readings.slice(0, 10)) {
      void ahead.take(reading)
      expect(slow.begun.length - readings.indexOf(reading)).toBeLessThanOrEqual(5)
      await slow.end(reading.request)
      ahead.done(reading)
    }
    expect(slow.begun.length).toBe(15)
  })

  it('reads everything once and in order, whatever is added, left out, early and failing', async () => {
    const step = fc.record({ added: fc.nat(5), left: fc.boolean(), fails: fc.boolean(), early: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (steps, writers) => {
        const slow = new Slow()
        const ahead = new ReadAhead(slow.read, writers, 4)
        const waiting: Reading[] = []
        const wanted: Request[] = []
        for (const { added, left, fails, early } of steps) {
          waiting.push(...ahead.add(requests(added)))
          const reading = waiting.shift()
          if (reading === undefined) continue
          const { request } = reading
          const error = fails ? new Error('gone') : undefined
          if (early) await slow.end(request, error)
          if (!left || reading.read !== undefined) wanted.push(request)
          if (!left) {
            const taken = ahead.take(reading)
            await slow.end(request, error)
            if (fails) await expect(taken).rejects.toThrow('gone')
            else await taken
          }
          ahead.done(reading)
        }
        // Those after them that are under way are the next ones, and nothing that is done holds their places.
        const next = waiting.filter(({ read }) => read !== undefined).map(({ request }) => request)
        expect(slow.begun).toEqual([...wanted, ...next])
        expect(next.length).toBeGreaterThanOrEqual(Math.min(writers, waiting.length))
      }),
    )
  })
})
