import { describe, expect, it } from 'vitest'
import type { SnapshotRecord } from '../../src/log/index.js'
import { matches, selectSnapshot } from '../../src/snapshot/index.js'
import { codeOf } from '../crypto/helpers.js'
import { snapshotRecord } from '../log/helpers.js'

const ids = ['aaaa', 'aabb', 'ab', 'b1', '12'].map((id) => id.padEnd(32, '0'))
const records: SnapshotRecord[] = ids.map((id, i) => snapshotRecord(i, { id, time: `2026-01-0${i + 1}T12:00:00.000Z` }))

describe('the name of a snapshot', () => {
  it.each([
    ['latest', 4],
    ['latest~0', 4],
    ['latest~1', 3],
    ['latest~4', 0],
    ['b', 3],
    ['B1', 3],
    ['1', 4],
    ['aab', 1],
    ['aaa', 0],
    [ids[2]!, 2],
  ])('%s', (name, index) => {
    expect(selectSnapshot(records, name)).toBe(records[index])
  })

  it.each([
    ['a', 'KLOSET_SNAPSHOT_AMBIGUOUS'],
    ['AA', 'KLOSET_SNAPSHOT_AMBIGUOUS'],
    ['c', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['latest~5', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['latest~', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['latest~-1', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['latest~99999999999999999999', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['Latest', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['../b', 'KLOSET_SNAPSHOT_NOT_FOUND'],
    [`${ids[0]}0`, 'KLOSET_SNAPSHOT_NOT_FOUND'],
    ['.*', 'KLOSET_SNAPSHOT_NOT_FOUND'],
  ])('%j is %s', (name, code) => {
    expect(codeOf(() => selectSnapshot(records, name))).toBe(code)
  })

  it('is explained where it is ambiguous', () => {
    expect(() => selectSnapshot(records, 'aa')).toThrow('2 snapshots start with aa: aaaa00, aabb00')
  })

  it('says that there is none yet', () => {
    expect(() => selectSnapshot([], 'latest')).toThrow('no snapshots yet')
  })
})

describe('a filter', () => {
  const record = snapshotRecord(1, {
    tags: ['daily', 'db'],
    host: 'laptop',
    name: 'home',
    time: '2026-01-31T12:00:00.000Z',
  })
  const at = (time: string): Date => new Date(time)
  it.each([
    [{}, true],
    [{ tags: [] }, true],
    [{ tags: ['daily'] }, true],
    [{ tags: ['db', 'daily'] }, true],
    [{ tags: ['daily', 'weekly'] }, false],
    [{ host: 'laptop', name: 'home' }, true],
    [{ host: 'lap' }, false],
    [{ name: 'x' }, false],
    [{ root: '/home/anna' }, true],
    [{ root: '/home' }, false],
    [{ since: at('2026-01-31T12:00:00.000Z') }, true],
    [{ since: at('2026-01-31T12:00:00.001Z') }, false],
    [{ before: at('2026-01-31T12:00:00.000Z') }, false],
    [{ before: at('2026-01-31T12:00:00.001Z') }, true],
    [{ tags: ['db'], host: 'laptop', since: at('2027-01-01') }, false],
  ])('%o: %s', (where, expected) => {
    expect(matches(record, where)).toBe(expected)
  })
})
