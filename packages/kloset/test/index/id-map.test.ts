import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { IdMap } from '../../src/index/id-map.js'
import { numbers } from './helpers.js'

/** Ids of which many start alike, as hashes do not. */
const anyId = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([first, rest]) => new Uint8Array([first, 0, 0, 0, ...rest.subarray(4)]))

describe.each([true, false])('a map from ids (exact: %s)', (exact) => {
  it('is a map', () => {
    const anyWrite = fc.tuple(
      anyId,
      fc.integer({ min: -5, max: 5 }).filter((value) => value !== 0),
    )
    fc.assert(
      fc.property(fc.array(anyWrite, { maxLength: 200 }), (writes) => {
        const map = new IdMap({ exact })
        const expected = new Map<string, number>()
        for (const [id, value] of writes) {
          expect(map.set(id, 0, value)).toBe(expected.get(toHex(id)) ?? 0)
          expected.set(toHex(id), value)
        }
        expect(map.size).toBe(expected.size)
        for (const [id] of writes) expect(map.get(id)).toBe(expected.get(toHex(id)))
      }),
    )
  })

  it('grows, and finds ids wherever they are in the bytes', () => {
    const next = numbers(7)
    const map = new IdMap({ exact })
    const bytes = new Uint8Array(3 + 32 * 20_000).map(() => next() >>> 24)
    for (let i = 0; i < 20_000; i++) expect(map.set(bytes, 3 + 32 * i, i + 1)).toBe(0)
    expect(map.size).toBe(20_000)
    for (let i = 0; i < 20_000; i++) expect(map.get(bytes.slice(3 + 32 * i, 35 + 32 * i))).toBe(i + 1)
    expect(map.get(new Uint8Array(32))).toBe(0)
  })
})

it('an exact map compares whole ids, and another one 64 bits', () => {
  const [id, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(1, 0, 31)]
  const [exact, short] = [new IdMap({ exact: true }), new IdMap({ exact: false })]
  for (const map of [exact, short]) map.set(id, 0, 5)
  expect([exact.get(other), short.get(other)]).toEqual([0, 5])
})
