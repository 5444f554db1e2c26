import { describe, expect, it } from 'vitest'
import type { Notice } from '../../src/api.js'
import { type Source, type StreamSource, streamSource } from '../../src/connector/index.js'
import { KlosetError } from '../../src/errors.js'
import { contents, errorsOf, expected, newStore, noise, treesOf } from './support.js'

function stream(content: StreamSource['content'], more: Partial<StreamSource> = {}): Source {
  return streamSource({ name: 'db/dump.sql', origin: 'here', content, ...more })
}

async function* pieces(bytes: Uint8Array, length = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length)
}

const dump = noise(60_000, 3)

describe('a stream', () => {
  it('is one file, with the folders of its name', async () => {
    const { store } = await newStore()
    const { snapshot, totals } = await store.backup(stream(() => pieces(dump), { owner: { uid: 5, gid: 6 } }))
    expect(totals).toMatchObject({ files: 1, directories: 2, bytes: 60_000, errors: 0 })
    expect(await contents(store)).toEqual(expected({ 'db/dump.sql': dump }))
    expect(await snapshot!.stat('db/dump.sql')).toMatchObject({
      mode: 0o600,
      owner: { uid: 5, gid: 6 },
      contentSize: 60_000,
    })
    expect(snapshot!.sources).toMatchObject([{ type: 'stream', origin: 'here', root: 'db/dump.sql' }])
    expect(await errorsOf(store)).toEqual([])
  })

  it('is read each time, compared with its last backup, and skipped where it is the same', async () => {
    const { store } = await newStore()
    const first = await store.backup(stream(() => pieces(dump)))
    const again = await store.backup(stream(() => pieces(dump, 999)))
    expect(again.changes.changed).toBe(1)
    expect(again.added).toMatchObject({ chunks: 0, bytes: 0 })
    expect(again.snapshot!.parent).toBe(first.snapshot!.id)
    expect(treesOf(again)).toEqual(treesOf(first))
    const same = await store.backup(
      stream(() => pieces(dump)),
      { skipIfUnchanged: true },
    )
    expect(same.unchangedSince?.id).toBe(again.snapshot!.id)
    const other = await store.backup(
      stream(() => pieces(noise(60_000, 4))),
      { skipIfUnchanged: true },
    )
    expect(other.snapshot).toBeDefined()
  })

  it.each<[string, unknown, string]>([
    ['an error of the system', new Error('EIO: read'), 'KLOSET_CONNECTOR'],
    ['an error of its own', new KlosetError('KLOSET_COMMAND_FAILED', 'no'), 'KLOSET_COMMAND_FAILED'],
  ])('that ends with %s fails the backup, which commits nothing', async (_, error, code) => {
    const { store } = await newStore()
    const settled: unknown[] = []
    const source: Source = {
      ...stream(async function* () {
        yield* pieces(dump)
        throw error
      }),
      settled: async (outcome) => void settled.push(outcome),
    }
    await expect(store.backup(source)).rejects.toMatchObject({ code })
    expect(settled).toEqual([{ snapshot: undefined }])
    expect((await store.info()).snapshots).toBe(0)
    expect(await errorsOf(store)).toEqual([])
  })

  it('in which nothing comes any more ends when the backup is aborted', async () => {
    const { store } = await newStore()
    const controller = new AbortController()
    const source = stream(async function* () {
      yield dump
      controller.abort(new Error('enough'))
      await new Promise(() => undefined)
    })
    await expect(store.backup(source, { signal: controller.signal })).rejects.toThrow('enough')
    expect((await store.info()).snapshots).toBe(0)
  })

  it('of nothing is an empty file, and that is told', async () => {
    const { store } = await newStore()
    const notices: Notice[] = []
    await store.backup(
      stream(() => pieces(new Uint8Array(0))),
      {
        onEvent: (event) => void (event.type === 'notice' && notices.push(event)),
      },
    )
    expect(await contents(store)).toEqual({ 'db/dump.sql': '' })
    expect(notices).toMatchObject([{ code: 'stream-empty', message: expect.stringContaining('db/dump.sql') }])
  })

  it('cannot be read twice, nor have a name that leads elsewhere', async () => {
    const { store } = await newStore()
    const source = stream(() => pieces(dump))
    await store.backup(source)
    await expect(store.backup(source)).rejects.toMatchObject({ code: 'KLOSET_CONNECTOR' })
    for (const name of ['', '../x', '/x', 'a//b']) expect(() => stream(() => pieces(dump), { name })).toThrow()
  })

  it('is read to its end in a dry run, which stores nothing', async () => {
    const { store, place } = await newStore()
    const before = place.size
    const { snapshot, added } = await store.backup(
      stream(() => pieces(dump)),
      { dryRun: true },
    )
    expect(snapshot).toBeUndefined()
    expect(added).toMatchObject({ bytes: 60_000, stored: 0 })
    expect(place.size).toBe(before)
  })
})
