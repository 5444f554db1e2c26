import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes/index.js'
import { isKlosetError } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { workerRecorder } from '../support/recorder.js'
import { codesOf, copyOfPlace, findingsOf, openAt, restored } from '../support/stores.js'
import { expectedOf, unreadable } from './content.js'
import { fixturesHere, folderOf, placeFrom } from './shelf.js'
import { goldenStores } from './stores.js'

/** What befell a store, and what is left of it. */
interface Exhibit {
  readonly befell: string
  readonly damage: (place: MemoryPlace) => void
  /** Of the findings. */
  readonly codes: readonly string[]
  /** Of the newest snapshot that can be seen. */
  readonly loses: 'nothing' | 'files' | 'everything'
}

const under = (place: MemoryPlace, prefix: string): string[] =>
  [...place.keys()].filter((name) => name.startsWith(prefix)).sort()

const remove = (place: MemoryPlace, names: readonly string[]): void => {
  for (const name of names) place.delete(name)
}

function zeroed(place: MemoryPlace, name: string, from: number, length: number): void {
  const bytes = place.get(name)!.slice()
  bytes.fill(0, from, from + length)
  place.set(name, bytes)
}

/** The largest pack holds contents of files. */
function largest(place: MemoryPlace): string {
  return under(place, 'packs/').sort((a, b) => place.get(b)!.length - place.get(a)!.length)[0]!
}

const exhibits: readonly Exhibit[] = [
  {
    befell: 'a disk that lost a sector in the middle of a pack',
    damage: (place) => zeroed(place, largest(place), 8192, 512),
    codes: ['chunk-missing', 'entry-error', 'frame-corrupt'],
    loses: 'files',
  },
  {
    befell: 'a power cut that left a pack empty',
    damage: (place) => place.set(largest(place), new Uint8Array(0)),
    codes: ['chunk-missing', 'entry-error', 'footer-corrupt', 'frame-corrupt', 'pack-size'],
    loses: 'files',
  },
  {
    befell: 'a copy of the store that ended in the middle of a pack',
    damage: (place) => place.set(largest(place), place.get(largest(place))!.subarray(0, 10_000)),
    codes: ['chunk-missing', 'entry-error', 'footer-corrupt', 'frame-corrupt', 'pack-size'],
    loses: 'files',
  },
  {
    befell: 'somebody who tidied up the folder index',
    damage: (place) => remove(place, under(place, 'index/')),
    codes: ['entry-error', 'segment-missing'],
    loses: 'nothing',
  },
  {
    befell: 'a sync that brought only the first copy of everything that is there twice',
    damage: (place) =>
      remove(
        place,
        [...place.keys()].filter((name) => name.endsWith('.copy')),
      ),
    codes: ['copy-damaged', 'entry-error'],
    loses: 'nothing',
  },
  {
    befell: 'a sync that brought only the second',
    damage: (place) =>
      remove(
        place,
        [...place.keys()].filter((name) => place.has(`${name}.copy`)),
      ),
    codes: ['config-corrupt', 'entry-error'],
    loses: 'nothing',
  },
  {
    befell: 'a log that lost its first entry and its checkpoints',
    damage: (place) => remove(place, [under(place, 'log/')[0]!, ...under(place, 'checkpoints/')]),
    codes: ['log-gap', 'orphan-pack'],
    loses: 'everything',
  },
  {
    befell: 'a log that lost its newest entry',
    damage: (place) => remove(place, [under(place, 'log/').at(-1)!]),
    codes: ['entry-error', 'orphan-pack'],
    loses: 'nothing',
  },
  {
    befell: 'an editor that added an end of line to the config',
    damage: (place) => place.set('config', new Uint8Array([...place.get('config')!, 10])),
    codes: ['config-corrupt', 'entry-error'],
    loses: 'nothing',
  },
]

describe.each(['v1-plain-zstd', 'v1-aes-zstd'])('museum: %s after', (name) => {
  const { unlock } = goldenStores[name]!
  const shelf = placeFrom(folderOf(fixturesHere, name))

  it.each(exhibits.map((exhibit) => [exhibit.befell, exhibit] as const))('%s', async (_, { damage, codes, loses }) => {
    const place = copyOfPlace(shelf)
    damage(place)
    const store = await openAt(place, unlock)
    const found = codesOf(await findingsOf(store)).filter((code) => !['key-corrupt', 'epoch-corrupt'].includes(code))
    expect(found).toEqual(codes)
    const done = await restored(await openAt(place, unlock), 'latest', workerRecorder()).catch((error: unknown) => {
      expect(isKlosetError(error)).toBe(true)
      return undefined
    })
    expect(done === undefined).toBe(loses === 'everything')
    if (done === undefined) return
    const isSecond = done.found.has('home/new/file')
    const failed = new Set(done.result.failed.map(({ path }) => path))
    expect(failed.delete(`home/${unreadable}`)).toBe(true)
    expect(failed.size > 0).toBe(loses === 'files')
    for (const [path, { bytes }] of expectedOf(isSecond ? 1 : 0)) {
      if (bytes === undefined) continue
      const got = done.found.get(path)?.bytes
      expect(got === undefined, path).toBe(failed.has(path))
      if (got !== undefined && !equalBytes(got, bytes)) expect.fail(`${path} is wrong`)
    }
  })
})
