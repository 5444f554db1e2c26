import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/api.js'
import { fromHex } from '../../src/bytes/index.js'
import { codecOfNumber } from '../../src/compress/index.js'
import { type Keyring, readHeader, sealer } from '../../src/crypto/index.js'
import { entryObject } from '../../src/log/index.js'
import { openPack } from '../../src/pack/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { keyringOf } from '../support/damage.js'
import { recorder, workerRecorder } from '../support/recorder.js'
import { codesOf, copyOfPlace, findingsOf, openAt, restored } from '../support/stores.js'
import { backups, expectedOf, unreadable } from './content.js'
import { makeGoldenStores } from './maker.js'
import { fixturesHere, folderOf, placeFrom, writePlace } from './shelf.js'
import { goldenStores } from './stores.js'

it('has every golden store on its shelf, and none that nobody knows', () => {
  expect(readdirSync(join(fixturesHere, 'golden')).sort()).toEqual(Object.keys(goldenStores).sort())
})

it('is made anew where a store is not there, and never over one that is', async () => {
  const fixtures = mkdtempSync(join(tmpdir(), 'kloset-golden-'))
  try {
    const [name] = Object.entries(goldenStores).find(([, { options }]) => options.codec === 'lz4')!
    await makeGoldenStores(fixtures, [name])
    const place = placeFrom(folderOf(fixtures, name))
    const findings = await findingsOf(await openAt(place, goldenStores[name]!.unlock))
    expect(codesOf(findings)).toEqual(['entry-error'])
    await makeGoldenStores(fixtures, [name])
    expect(placeFrom(folderOf(fixtures, name))).toEqual(place)
    expect(() => writePlace(folderOf(fixtures, name), place)).toThrow('never made again')
  } finally {
    rmSync(fixtures, { recursive: true })
  }
})

describe.each(Object.keys(goldenStores))('golden store %s', (name) => {
  const { unlock, options, edit } = goldenStores[name]!
  const shelf = placeFrom(folderOf(fixturesHere, name))
  const open = (place: MemoryPlace = copyOfPlace(shelf)): Promise<Store> => openAt(place, unlock)

  it('is whole, every byte of it', async () => {
    const findings = await findingsOf(await open())
    // The file that could not be read is told of, once a snapshot and source.
    expect(findings.map(({ code, level }) => [code, level])).toEqual([
      ['entry-error', 'warning'],
      ['entry-error', 'warning'],
    ])
  })

  it('is what it was made as', async () => {
    const info = await (await open()).info()
    expect(info).toMatchObject({ version: 1, snapshots: 2, head: edit === undefined ? 2 : 4, codec: options.codec })
    expect(info.encryption).toBe(options.encryption ?? 'none')
    expect(info.keys.map(({ kind, label }) => [kind, label])).toEqual(
      'plaintext' in unlock ? [] : [['passphrase' in unlock ? 'passphrase' : 'raw', options.label ?? '']],
    )
    expect(await codecsIn(shelf, await keyringOf(shelf, unlock))).toEqual(
      new Set(options.codec === 'none' ? ['none'] : ['none', options.codec]),
    )
  })

  it.each([0, 1] as const)(
    'gives back backup %i as it was: every byte, and everything about each entry',
    async (backup) => {
      const store = await open()
      const snapshot = await store.snapshot(backup === 0 ? 'latest~1' : 'latest')
      const { name: called, tags } = backups[backup]!
      const labels =
        edit === undefined
          ? { name: called, tags }
          : { name: edit.name, tags: [...tags.filter((tag) => tag !== 'golden'), 'kept'] }
      expect(snapshot).toMatchObject({ host: 'museum', user: 'curator', ...labels })
      expect(snapshot.sources.map(({ at, root, origin }) => [at, root, origin])).toEqual([
        ['home', 'home', 'museum'],
        ['rows', 'srv/rows', 'museum'],
      ])
      const expected = expectedOf(backup)
      for (const to of [recorder(), workerRecorder()]) {
        const { result, found } = await restored(store, snapshot.id, to)
        expect(result.failed.map(({ path }) => path)).toEqual([`home/${unreadable}`])
        for (const [path, { entry, bytes }] of expected) {
          const got = found.get(path)
          expect(got?.bytes, path).toEqual(bytes)
          const { content: _, ...about } = entry
          expect(got!.entry, path).toMatchObject({ type: 'file', ...about, path })
        }
      }
      const walked: string[] = []
      for await (const { path } of snapshot.walk()) walked.push(path)
      expect(walked).toEqual(expect.arrayContaining([...expected.keys()]))
    },
  )

  it('tells what changed between its snapshots', async () => {
    const store = await open()
    const differences: [string, string][] = []
    const newest = await store.snapshot('latest')
    for await (const { change, path } of (await store.snapshot('latest~1')).diff(newest))
      differences.push([change, path])
    expect(differences).toEqual([
      ['added', 'home/new'],
      ['added', 'home/new/file'],
      ['changed', 'home/readme.txt'],
    ])
  })

  it('opens from its checkpoint as from its log', async () => {
    const place = copyOfPlace(shelf)
    place.delete(entryObject(1))
    const ids = async (store: Store): Promise<string[]> => {
      const all: string[] = []
      for await (const { id } of store.snapshots()) all.push(id)
      return all
    }
    expect(await ids(await open(place))).toEqual(await ids(await open()))
  })

  it('takes another backup, which finds everything there', async () => {
    const place = copyOfPlace(shelf)
    const codec = options.codec === 'zstd' ? { codec: 'lz4' as const } : {}
    const { added, changes } = await (await open(place)).backup(backups[1]!.sources(), { host: 'museum', ...codec })
    // The same cut points, ids and nodes as then: only an entry of the log is new.
    expect(added).toMatchObject({ chunks: 0, bytes: 0, metadata: 0, objects: 1 })
    expect(changes.new).toBe(0)
    expect(codesOf(await findingsOf(await open(place)))).toEqual(['entry-error'])
  })
})

/** The codecs that the frames of a store use. */
async function codecsIn(place: MemoryPlace, keyring: Keyring): Promise<Set<string | undefined>> {
  const codecs = new Set<string | undefined>()
  for (const [name, file] of place) {
    if (!name.startsWith('packs/')) continue
    const { footer, opener } = openPack(keyring, fromHex(name.slice(9)), file)
    const parts = sealer(keyring, readHeader('pack', file), 'packs')
    let at = opener.headerLength
    for (let i = 0; i < footer.frames.length; i += 3) {
      codecs.add(codecOfNumber(parts.open(0, i / 3, file.subarray(at, at + footer.frames[i]!))[0]!))
      at += footer.frames[i]!
    }
  }
  return codecs
}
