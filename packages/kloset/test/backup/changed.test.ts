import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparison, isUnchanged } from '../../src/backup/changed.js'
import type { Entry } from '../../src/connector/index.js'
import { encodeStat, type Stat } from '../../src/tree/index.js'

const second = 1_000_000_000n
const since = 1_700_000_000_123

/** What the rules say, read from the stats themselves. */
function expected(was: Stat, is: Stat, counts: { ctime: boolean; inode: boolean }, grain: number): boolean {
  if (was.error !== undefined || was.type !== is.type) return false
  if (was.version !== undefined && is.version !== undefined) return was.version === is.version
  if (is.mtime === undefined || is.size !== was.size || is.mtime !== was.mtime) return false
  if (counts.ctime && is.ctime !== was.ctime) return false
  if (counts.inode && is.inode?.number !== was.inode?.number) return false
  const times = [is.mtime, ...(counts.ctime && is.ctime !== undefined ? [is.ctime] : [])]
  const youngest = times.sort((a, b) => (a < b ? 1 : -1))[0]!
  const doubt = BigInt(Math.max(grain, 10, youngest % second === 0n ? 2_000 : 0)) * 1_000_000n
  return youngest < BigInt(since) * 1_000_000n - doubt
}

const at = BigInt(since) * 1_000_000n
const time = fc.constantFrom(
  ...[undefined, 5n, at - 90n * second, at + second, at - 5_000_000n, at - 20_000_000n, at - 1_500_000_000n],
  ...[(at / second) * second, (at / second - 1n) * second, (at / second - 3n) * second],
)
const stat: fc.Arbitrary<Stat> = fc.record({
  type: fc.constantFrom<Entry['type']>('file', 'symlink'),
  size: fc.constantFrom(undefined, 0, 5),
  mtime: time,
  ctime: time,
  mode: fc.constantFrom(0o600, 0o644),
  inode: fc.constantFrom(...[undefined, { device: 1n, number: 7n, links: 1 }, { device: 2n, number: 7n, links: 1 }], {
    device: 1n,
    number: 8n,
    links: 2,
  }),
  version: fc.constantFrom(undefined, undefined, 'a', 'b'),
})
// Stats that have much in common, as those of one file do.
const pair = fc
  .tuple(stat, stat, fc.subarray(['type', 'size', 'mtime', 'ctime', 'mode', 'inode', 'version'] as const))
  .map(([was, other, keys]) => [was, { ...was, ...Object.fromEntries(keys.map((key) => [key, other[key]])) }] as const)

describe('whether a file is unchanged', () => {
  it('is what the rules say, whatever counts', () => {
    let unchanged = 0
    fc.assert(
      fc.property(
        ...[pair, fc.boolean(), fc.boolean(), fc.boolean(), fc.constantFrom(1, 10, 1_000, 60_000)],
        ([was, is], failed, ctime, inode, grain) => {
          const before: Stat = failed ? { ...was, error: { code: 'KLOSET_DENIED', message: 'no' } } : was
          const how = comparison({ ctime, inode }, since, BigInt(grain) * 1_000_000n)
          const wanted = expected(before, is, { ctime, inode }, grain)
          if (wanted) unchanged++
          expect(isUnchanged(encodeStat(before), encodeStat(is), how)).toBe(wanted)
        },
      ),
      { numRuns: 3_000 },
    )
    expect(unchanged).toBeGreaterThan(100)
  })

  it('counts ctime and inode unless told otherwise', () => {
    const times = comparison(undefined, since, 1n)
    expect(times).toEqual({ ctime: true, inode: true, since, grain: 10 })
    expect(comparison({ ctime: false }, since, 1n)).toMatchObject({ ctime: false, inode: true })
    expect(comparison({ inode: false }, since, 1n)).toMatchObject({ ctime: true, inode: false })
  })
})
