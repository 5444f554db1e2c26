import { beforeEach, describe, expect, it } from 'vitest'
import type { Finding, Store } from '../../src/api.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownStore, knownStore } from '../support/damage.js'
import { recorder, workerRecorder } from '../support/recorder.js'
import { files, noise, sourceWith } from '../support/samples.js'
import {
  codesOf,
  createAt,
  filesOf,
  findingsOf,
  flipped,
  openAt,
  outcome,
  placeOf,
  plaintext,
  restored,
} from '../support/stores.js'

const host = { host: 'h', user: 'u' }

/** The paths that a finding of a code names, by snapshot. */
function affected(findings: readonly Finding[], code: string): Record<string, string[]> {
  const paths: Record<string, string[]> = {}
  for (const found of findings) {
    if (found.code !== code) continue
    for (const { snapshot, path } of found.affects ?? []) paths[snapshot] = [...(paths[snapshot] ?? []), path]
  }
  return paths
}

describe('what a check finds', () => {
  let place: MemoryPlace
  let known: KnownStore
  let first: string
  let second: string

  // Two snapshots: `a` only in the first, `b` in both, `c` only in the second; each in a pack of its own.
  beforeEach(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    await store.backup(sourceWith(files({ 'x/a': noise(150, 1), 'x/b': noise(150, 2), 'y/e': '' })), host)
    await store.backup(sourceWith(files({ 'x/b': noise(150, 2), 'x/c': noise(150, 3), 'y/e': '' })), host)
    known = await knownStore(place, plaintext)
    first = known.snapshots[0]!.id
    second = known.snapshots[1]!.id
  })

  const check = async (options?: Parameters<Store['check']>[0]): Promise<Finding[]> =>
    findingsOf(await openAt(place, plaintext), options ?? { read: 'all' })

  /** The pack that a file's chunks are in. */
  function packWith(path: string): string {
    const { ids } = known.snapshots.flatMap(({ files }) => files.get(path) ?? [])[0]!
    const [id] = ids
    return [...known.packs].find(([, { frames }]) => frames.some((frame) => frame.ids.has(id!)))![0]
  }

  it('is nothing in a whole store, whatever is read', async () => {
    expect(await check({})).toEqual([])
    expect(await check({ read: 'all' })).toEqual([])
    expect(await check({ read: { percent: 50, round: 3 } })).toEqual([])
    expect(await check({ snapshots: [first.slice(0, 8), 'latest'] })).toEqual([])
  })

  it('names the files of every snapshot that lose data with a missing pack', async () => {
    place.delete(packWith('x/b'))
    const findings = await check({})
    expect(codesOf(findings)).toEqual(['chunk-missing', 'pack-missing'])
    expect(affected(findings, 'chunk-missing')).toEqual({ [first]: ['x/a', 'x/b'], [second]: ['x/b'] })
    expect(findings.find(({ code }) => code === 'pack-missing')).toMatchObject({
      level: 'error',
      object: packWith('x/b'),
    })
  })

  it('names only files of the snapshots asked for', async () => {
    place.delete(packWith('x/b'))
    expect(affected(await check({ snapshots: [second] }), 'chunk-missing')).toEqual({ [second]: ['x/b'] })
    expect(await outcome(check({ snapshots: ['feed'] }))).toBe('KLOSET_SNAPSHOT_NOT_FOUND')
  })

  it('looks at what others wrote since the store was opened', async () => {
    const store = await openAt(place, plaintext)
    const { snapshot } = await (await openAt(place, plaintext)).backup(sourceWith(files({ n: noise(150, 4) })), host)
    expect(await findingsOf(store)).toEqual([])
    place.delete([...place.keys()].filter((name) => name.startsWith('packs/') && !known.packs.has(name))[0]!)
    expect((await findingsOf(store)).flatMap(({ affects = [] }) => affects.map((each) => each.snapshot))).toEqual([
      snapshot!.id,
    ])
  })

  it('counts on what is left of a pack that was cut off', async () => {
    const pack = packWith('x/c')
    const bytes = place.get(pack)!
    place.set(pack, bytes.subarray(0, bytes.length - 1))
    for (const options of [{}, { read: 'all' }] as const) {
      const findings = await check(options)
      expect(codesOf(findings)).toContain('pack-size')
      expect(affected(findings, 'chunk-missing')).toEqual({})
    }
    expect((await restored(await openAt(place, plaintext), second)).result.failed).toEqual([])
    place.set(pack, bytes.subarray(0, 60))
    for (const options of [{}, { read: 'all' }] as const) {
      expect(affected(await check(options), 'chunk-missing')).toEqual({ [second]: ['x/c'] })
    }
  })

  it('is a frame and its files where a byte of content changed, and only when it is read', async () => {
    const pack = packWith('x/c')
    place.set(pack, flipped(place.get(pack)!, 70))
    expect(await check({})).toEqual([])
    const findings = await check()
    expect(codesOf(findings)).toEqual(['chunk-missing', 'frame-corrupt'])
    expect(affected(findings, 'chunk-missing')).toEqual({ [second]: ['x/c'] })
  })

  it('is a footer where only that changed: nothing is lost', async () => {
    const pack = packWith('x/c')
    const bytes = place.get(pack)!
    place.set(pack, flipped(bytes, bytes.length - 30))
    const findings = await check()
    expect(codesOf(findings)).toEqual(['footer-corrupt'])
    expect((await restored(await openAt(place, plaintext), second)).result.failed).toEqual([])
  })

  it.each(['missing', 'corrupt'])('is a %s segment, while restores go on with a notice', async (how) => {
    for (const name of [...place.keys()].filter((each) => each.startsWith('index/'))) {
      const bytes = place.get(name)!
      if (how === 'missing') place.delete(name)
      else place.set(name, flipped(bytes, 50))
      expect(codesOf(await check())).toEqual([`segment-${how}`])
      const notices: string[] = []
      const store = await openAt(place, plaintext, { onNotice: ({ code }) => notices.push(code) })
      for (const { id, files: contents } of known.snapshots) {
        const { found, result } = await restored(store, id)
        expect(result.failed).toEqual([])
        expect(filesOf(found)).toEqual(new Map([...contents].map(([path, { bytes: each }]) => [path, each])))
      }
      expect(notices).toEqual(['index-rebuilt'])
      place.set(name, bytes)
    }
  })

  it('is everything at once where all segments are gone, and still all can be restored', async () => {
    for (const name of [...place.keys()]) if (name.startsWith('index/')) place.delete(name)
    expect(codesOf(await check())).toEqual(['segment-missing'])
    for (const { id } of known.snapshots) {
      expect((await restored(await openAt(place, plaintext), id)).result.failed).toEqual([])
    }
  })

  it('says which files cannot be read where a segment and a footer are gone', async () => {
    const pack = packWith('x/c')
    place.set(pack, flipped(place.get(pack)!, place.get(pack)!.length - 30))
    for (const name of [...place.keys()]) if (name.startsWith('index/')) place.delete(name)
    const findings = await check()
    expect(codesOf(findings)).toEqual(['chunk-missing', 'orphan-pack', 'segment-missing'])
    expect(affected(findings, 'chunk-missing')).toEqual({ [second]: ['x/c'] })
  })

  it('reads every pack once in as many rounds as the part needs', async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    for (let i = 0; i < 12; i++) await store.backup(sourceWith(files({ f: noise(100, i) }), `${i}`), host)
    const names = [...place.keys()].filter((name) => name.startsWith('packs/'))
    for (const name of names) place.set(name, flipped(place.get(name)!, place.get(name)!.length - 30))
    for (const percent of [25, 30, 100, 0.5]) {
      const found: string[] = []
      for (let round = 7; round < 7 + Math.ceil(100 / percent); round++) {
        for (const { object, code } of await check({ read: { percent, round } })) {
          expect(code).toBe('footer-corrupt')
          found.push(object)
        }
      }
      expect(found.sort()).toEqual([...names].sort())
    }
  })

  it('refuses parts that would never read anything', async () => {
    for (const percent of [0, -5, 101, Number.NaN]) {
      await expect(check({ read: { percent, round: 0 } })).rejects.toThrow(RangeError)
    }
    for (const round of [-1, 0.5, Number.NaN]) {
      await expect(check({ read: { percent: 10, round } })).rejects.toThrow(RangeError)
    }
  })

  it('ends with the reason of an abort', async () => {
    const controller = new AbortController()
    const store = await openAt(place, plaintext)
    const reason = new Error('enough')
    const findings = findingsOf(store, {
      read: 'all',
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(findings).rejects.toBe(reason)
    await expect(findingsOf(store, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('is told as progress: everything, with what was found', async () => {
    place.delete(packWith('x/c'))
    const phases = new Set<string>()
    let failed = 0
    await findingsOf(await openAt(place, plaintext), {
      read: 'all',
      onProgress: (now) => {
        phases.add(now.phase)
        failed = now.failed
      },
    })
    expect(phases).toContain('done')
    expect(failed).toBe(2)
  })
})

describe('a chunk that is stored twice', () => {
  let place: MemoryPlace
  let packs: string[]
  let known: KnownStore

  // Two clients who do not know of each other store the same at once.
  beforeEach(async () => {
    place = placeOf()
    const one = await createAt(place, plaintext)
    const other = await openAt(place, plaintext)
    const source = () => sourceWith(files({ same: noise(150, 1) }))
    await Promise.all([one.backup(source(), host), other.backup(source(), { ...host, host: 'other' })])
    known = await knownStore(place, plaintext)
    packs = [...known.packs].flatMap(([name, { class: of }]) => (of === 'data' ? [name] : []))
  })

  it.each(['content', 'header', 'version', 'all'])(
    'is read where it is whole: the other one has damaged %s',
    async (part) => {
      expect(packs).toHaveLength(2)
      for (const pack of packs) {
        const bytes = place.get(pack)!
        if (part === 'all') place.delete(pack)
        else place.set(pack, flipped(bytes, { content: 60, header: 20, version: 5 }[part]!))
        const findings = await findingsOf(await openAt(place, plaintext))
        expect(findings.length).toBeGreaterThan(0)
        expect(codesOf(findings)).not.toContain('chunk-missing')
        for (const { id } of known.snapshots) {
          const { found, result } = await restored(await openAt(place, plaintext), id)
          expect(result.failed).toEqual([])
          expect(found.get('same')?.bytes).toEqual(noise(150, 1))
        }
        place.set(pack, bytes)
      }
    },
  )

  it.each(['content', 'header', 'all'])('is read where it is whole, in a worker: damaged %s', async (part) => {
    for (const pack of packs) {
      const bytes = place.get(pack)!
      if (part === 'all') place.delete(pack)
      else place.set(pack, flipped(bytes, { content: 60, header: 20 }[part]!))
      const { found, result } = await restored(await openAt(place, plaintext), 'latest', workerRecorder())
      expect(result.failed).toEqual([])
      expect(found.get('same')?.bytes).toEqual(noise(150, 1))
      place.set(pack, bytes)
    }
  })

  it('is lost where both are', async () => {
    for (const pack of packs) place.set(pack, flipped(place.get(pack)!, 60))
    const findings = await findingsOf(await openAt(place, plaintext))
    expect(Object.keys(affected(findings, 'chunk-missing')).sort()).toEqual(known.snapshots.map(({ id }) => id).sort())
    for (const to of [recorder(), workerRecorder()]) {
      const { found, result } = await restored(await openAt(place, plaintext), 'latest', to)
      expect(result.failed.map(({ path }) => path)).toEqual(['same'])
      expect(found.has('same')).toBe(false)
    }
  })
})

describe('a tree of several nodes', () => {
  const count = 600
  const name = (i: number): string => `f${String(i).padStart(4, '0')}`
  let place: MemoryPlace
  let known: KnownStore

  // Two snapshots that share all leaves but the one where a file differs.
  beforeEach(async () => {
    place = placeOf()
    const store = await createAt(place, plaintext)
    const source = (changed: string) =>
      sourceWith(
        Array.from({ length: count }, (_, i) => ({
          path: name(i),
          content: i === 300 ? changed : `${i % 5}`,
          // Long entries make many nodes.
          attributes: { 'test.padding': 'p'.repeat(900) },
        })),
      )
    await store.backup(source('before'), host)
    await store.backup(source('after'), host)
    known = await knownStore(place, plaintext)
  })

  it('says of a lost leaf that all snapshots which share it are concerned, and of the others nothing', async () => {
    const metadata = [...known.packs].filter(([, { class: of }]) => of === 'metadata')
    expect(metadata.flatMap(([, { frames }]) => frames).length).toBeGreaterThan(4)
    const concerned: number[] = []
    for (const [pack, { frames }] of metadata) {
      for (const { from } of frames) {
        const bytes = place.get(pack)!
        place.set(pack, flipped(bytes, from + 40))
        const findings = await findingsOf(await openAt(place, plaintext))
        const snapshots = new Set(Object.keys(affected(findings, 'tree-corrupt')))
        concerned.push(snapshots.size)
        expect(codesOf(findings)).toEqual(['frame-corrupt', 'tree-corrupt'])
        place.set(pack, bytes)
      }
    }
    expect(concerned).toContain(1)
    expect(concerned).toContain(2)
    expect(concerned).not.toContain(0)
  })
})
