import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPath, comparePaths } from '../../src/connector/index.js'
import type { SnapshotRecord } from '../../src/log/index.js'
import { below, placeOf, placesOf } from '../../src/snapshot/index.js'
import { snapshotRecord } from '../log/helpers.js'

function recordOf(sources: readonly { readonly root: string; readonly type: string }[]): SnapshotRecord {
  const {
    sources: [some],
    ...record
  } = snapshotRecord(1)
  return { ...record, sources: sources.map((source) => ({ ...some!, ...source })) }
}

describe('the folders of the sources of a snapshot', () => {
  it.each([
    ['/home/anna', 'anna'],
    ['C:\\Users\\Anna\\', 'Anna'],
    ['bucket', 'bucket'],
    ['/', 'fs'],
    ['', 'fs'],
    ['/srv/.', 'fs'],
    ['/srv/..', 'fs'],
    ['/srv/a\0b', 'fs'],
    ['/srv/\ud800', 'fs'],
    ['/srv/\udcff', '\udcff'],
  ])('%j is in %s', (root, at) => {
    const places = placesOf(
      recordOf([
        { root, type: 'fs' },
        { root: 'zzz', type: 'fs' },
      ]),
    )
    expect(places.map((place) => place.at)).toContain(at)
  })

  it.each(['../../evil', '..', '', 'a/b', '\0', '\ud800'])(
    'never lead elsewhere, whatever the type of a source: %j',
    (type) => {
      const places = placesOf(
        recordOf([
          { root: '/', type },
          { root: '/..', type },
        ]),
      )
      expect(places.map(({ at }) => at)).toEqual(['source', 'source-2'])
    },
  )

  it('are all different, in order, and names', () => {
    const part = fc.constantFrom('a', 'a-2', 'a-2-2', 'b', '..', '/', '\\', '', '\0', '\ud800', '\udc80', 'é')
    const source = fc.record({ root: fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/')), type: part })
    fc.assert(
      fc.property(fc.array(source, { minLength: 2, maxLength: 8 }), (sources) => {
        const places = placesOf(recordOf(sources))
        const folders = places.map(({ at }) => at)
        expect(new Set(folders).size).toBe(sources.length)
        expect(folders).toEqual([...folders].sort(comparePaths))
        for (const place of places) {
          expect(checkPath(place.at)).not.toContain('/')
          expect(placeOf(places, place.at)).toEqual({ place, inside: '' })
          expect(placeOf(places, below(place.at, 'x/y'))).toEqual({ place, inside: 'x/y' })
        }
        expect(placeOf(places, '')).toEqual({ place: undefined, inside: '' })
        expect(placeOf(places, 'not there')).toBeUndefined()
      }),
    )
  })

  it('are none where there is one source', () => {
    const places = placesOf(recordOf([{ root: '/x', type: 'fs' }]))
    expect(places.map(({ at }) => at)).toEqual([''])
    expect(placeOf(places, 'a/b')).toEqual({ place: places[0], inside: 'a/b' })
  })
})
