import { beforeAll, describe, expect, it } from 'vitest'
import type { Unlock } from '../../src/api.js'
import { type Bytes, concatBytes, equalBytes } from '../../src/bytes/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownStore, openWithKeys } from '../support/damage.js'
import { codesOf, copyOfPlace, findingsOf, plaintext, rawKey } from '../support/stores.js'
import { mustBeFound, mustRestore } from './flips.js'
import { smallStore } from './small-stores.js'

const stores: Readonly<Record<string, Unlock>> = { encrypted: rawKey, plaintext }

describe.each(Object.entries(stores))('%s', (_, unlock) => {
  let known: KnownStore
  let names: string[]
  beforeAll(async () => {
    known = await smallStore(unlock)
    names = [...known.place.keys()].sort()
  })

  it('finds each object that was cut off or grew, and restores what it did not hold', async () => {
    for (const name of names) {
      const bytes = known.place.get(name)!
      for (const length of new Set([0, 1, 45, Math.floor(bytes.length / 2), bytes.length - 1])) {
        const what = `${name} cut off at ${length}`
        await damaged(what, name, bytes.subarray(0, length), beyond(name, length))
      }
      await damaged(`${name} with a byte more`, name, concatBytes(bytes, Uint8Array.of(0)), beyond(name, bytes.length))
    }
  })

  it('finds each object that is gone, and restores what it did not hold', async () => {
    for (const name of names) {
      // Nothing is lost with a checkpoint, and nobody can tell that there was one.
      if (name.startsWith('checkpoints/')) continue
      await damaged(`${name} gone`, name, undefined, beyond(name, 0))
    }
  })

  it('finds any two objects that were exchanged', async () => {
    for (const [i, one] of names.entries()) {
      for (const other of names.slice(i + 1)) {
        const [first, second] = [known.place.get(one)!, known.place.get(other)!]
        if (equalBytes(first, second)) continue
        const place = copyOfPlace(known.place)
        place.set(one, second)
        place.set(other, first)
        await mustBeFound(`${one} and ${other} exchanged`, place, known)
        await mustRestore(`${one} and ${other} exchanged`, place, known, known.snapshots[1]!, undefined, 'plain')
      }
    }
  })

  it('finds that the newest entry of the log is gone while a client still knows it', async () => {
    const place = copyOfPlace(known.place)
    const store = await openWithKeys(place, known.keyring)
    const newest = names.filter((name) => name.startsWith('log/')).at(-1)!
    place.delete(newest)
    expect(codesOf(await findingsOf(store))).toContain('log-gap')
  })

  it('finds damage that came after the store was opened and read', async () => {
    const place = copyOfPlace(known.place)
    const store = await openWithKeys(place, known.keyring)
    expect(await findingsOf(store)).toEqual([])
    await store.info()
    for (const name of names) {
      const bytes = place.get(name)!
      place.set(
        name,
        bytes.map((byte, i) => (i === bytes.length - 20 ? byte ^ 1 : byte)),
      )
      const findings = await findingsOf(store)
      expect(
        findings.map(({ object }) => object),
        name,
      ).toContain(name)
      place.set(name, bytes)
    }
  })

  async function damaged(what: string, name: string, bytes: Bytes | undefined, lost: ReadonlySet<string> | undefined) {
    const place: MemoryPlace = copyOfPlace(known.place)
    if (bytes === undefined) place.delete(name)
    else place.set(name, bytes)
    await mustBeFound(what, place, known)
    await mustRestore(what, place, known, known.snapshots[0]!, lost, 'plain')
    await mustRestore(what, place, known, known.snapshots[1]!, lost, 'worker')
  }

  /** Which blobs are lost with all that comes after `length`; undefined where that concerns the log or a tree. */
  function beyond(name: string, length: number): ReadonlySet<string> | undefined {
    const pack = known.packs.get(name)
    if (pack === undefined) return name.startsWith('log/') ? undefined : new Set()
    const frames = length < pack.headerLength ? pack.frames : pack.frames.filter(({ to }) => to > length)
    if (pack.class === 'metadata' && frames.length > 0) return undefined
    return new Set(frames.flatMap(({ ids }) => [...ids]))
  }
})
