import { describe, expect, it } from 'vitest'
import type { SnapshotRecord } from '../../src/log/index.js'
import { matches, selectSnapshot, selectSnapshots } from '../../src/snapshot/index.js'
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

  it('is what it is called, where that means one only', () => {
    const called = ['weekly', 'b', 'weekly', 'aabb', ids[0]!].map((name, i) => ({ ...records[i]!, name }))
    const code = (name: string): unknown => codeOf(() => selectSnapshot(called, name))
    expect(selectSnapshot([...called, snapshotRecord(9, { name: 'before the move' })], 'before the move').name).toBe(
      'before the move',
    )
    expect(code('weekly')).toBe('KLOSET_SNAPSHOT_AMBIGUOUS')
    expect(selectSnapshot(called, 'latest', { name: 'weekly' })).toBe(called[2])
    // The start of one id and the name of another: nobody knows which is meant.
    expect(code('b')).toBe('KLOSET_SNAPSHOT_AMBIGUOUS')
    expect(code('aabb')).toBe('KLOSET_SNAPSHOT_AMBIGUOUS')
    // A whole id is never in doubt.
    expect(selectSnapshot(called, ids[0]!)).toBe(called[0])
    expect(selectSnapshot([{ ...records[3]!, name: 'b' }], 'b').id).toBe(ids[3])
  })

  it('is meant among those that are selected', () => {
    const tagged = records.map((record, i) => ({ ...record, tags: i % 2 === 0 ? ['even'] : [] }))
    const where = { tags: ['even'] }
    expect(selectSnapshot(tagged, 'latest', where)).toBe(tagged[4])
    expect(selectSnapshot(tagged, 'latest~2', where)).toBe(tagged[0])
    expect(selectSnapshot(tagged, 'aa', where)).toBe(tagged[0])
    expect(() => selectSnapshot(tagged, 'latest~3', where)).toThrow('of 5 snapshots, 3 are selected')
    expect(() => selectSnapshot(tagged, 'aabb', where)).toThrow('aabb0000 is not among those that are selected')
    expect(selectSnapshots(tagged, undefined, where)).toEqual([tagged[0], tagged[2], tagged[4]])
    expect(selectSnapshots(tagged, ['latest', 'aa', '12'], where)).toEqual([tagged[0], tagged[4]])
    expect(selectSnapshots(tagged, [], where)).toEqual([])
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
