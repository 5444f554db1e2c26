import { createCipheriv } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createStore, type ImportEvent, memoryStorage, type Store } from 'kloset'
import { KlosetError } from 'kloset/connector'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasRestic, makeRestic, type ResticRepository, resticIds, resticPassword } from '../../../testing/restic.js'
import { openRestic } from '../src/index.js'
import { sha256 } from '../src/objects.js'
import { folderStorage, open, signal, snapshotsOf, temporary } from './folder.js'

const folder = temporary()
const source = join(folder, 'source')
/** Digests of all files. */
const contents: Record<string, string> = {}
let repository: ResticRepository

/** Bytes that do not compress. */
function noise(length: number): Uint8Array {
  return createCipheriv('aes-128-ctr', new Uint8Array(16), new Uint8Array(16)).update(new Uint8Array(length))
}

function save(name: string, content: Uint8Array): void {
  writeFileSync(join(source, name), content)
  contents[name] = sha256(content)
}

const newStore = (): Promise<Store> => createStore(memoryStorage(), { unlock: { plaintext: true } })

beforeAll(() => {
  if (!hasRestic) return
  mkdirSync(join(source, 'below'), { recursive: true })
  for (let at = 0; at < 40; at++) {
    const name = at % 2 === 0 ? `file ${at}` : `below/file ${at}`
    save(
      name,
      Uint8Array.from({ length: 1 + at * 997 }, (_, i) => (i * (at + 7)) >> 3),
    )
  }
  // More than a chunk of restic's, which has at most 8 MiB.
  save('large', noise(10_000_000))
  repository = makeRestic(folder)
  repository.run(['backup', '--quiet', source])
})

/** A copy of the repository that may be harmed. */
function copy(name: string): string {
  const to = join(folder, name)
  cpSync(repository.location, to, { recursive: true })
  return to
}

function filesIn(at: string): string[] {
  const all = readdirSync(at, { recursive: true, encoding: 'utf8' }).map((name) => join(at, name))
  return all.filter((path) => statSync(path).isFile())
}

function harm(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x40
  rmSync(path)
  writeFileSync(path, bytes)
}

/** Imports everything into a new store; what is in the newest snapshot, and what failed. */
async function imported(at: string, warnings: string[] = []) {
  const store = await newStore()
  const history = await open(at, resticPassword, warnings)
  const result = await store.importFrom(history)
  const found: Record<string, string> = {}
  const snapshot = result.imported.at(-1)?.snapshot
  if (snapshot !== undefined) {
    for await (const { path, type, error } of snapshot.walk()) {
      if (type === 'file' && error === undefined) found[path] = sha256(await (await snapshot.open(path)).bytes())
    }
  }
  await history.close()
  await store.close()
  return { result, found, warnings }
}

describe.skipIf(!hasRestic)('a repository', () => {
  test('is read with any of its keys', async () => {
    const keys = copy('with keys')
    const file = join(folder, 'second password')
    writeFileSync(file, 'the second')
    repository.run(['-r', keys, 'key', 'add', '--new-password-file', file])
    for (const password of [resticPassword, 'the second']) {
      const history = await open(keys, password)
      expect((await snapshotsOf(history)).map(({ id }) => id)).toEqual(resticIds(repository))
    }
    await expect(open(keys, 'a third')).rejects.toMatchObject({ code: 'KLOSET_WRONG_PASSPHRASE' })
    await expect(open(folder)).rejects.toMatchObject({ code: 'KLOSET_NO_STORE' })
  })

  test('of the old layout is read, too', async () => {
    const old = copy('old layout')
    for (const name of ['keys', 'snapshots', 'locks']) renameSync(join(old, name), join(old, name.slice(0, -1)))
    for (const pack of filesIn(join(old, 'data'))) renameSync(pack, join(old, 'data', pack.slice(-64)))
    expect((await imported(old)).found).toEqual(contents)
  })

  test('is not read again for what is known', async () => {
    const store = await newStore()
    const requests: string[] = []
    const history = await openRestic(folderStorage(repository.location, requests), { password: resticPassword })
    const packs = (): number => requests.filter((name) => name.startsWith('data/')).length
    await store.importFrom(history)
    // Every pack whole, with few requests.
    expect(packs()).toBeLessThan(15)
    repository.run(['backup', '--quiet', source, '--tag', 'again'])
    const again = await openRestic(folderStorage(repository.location, requests), { password: resticPassword })
    const before = packs()
    const result = await store.importFrom(again)
    expect(result).toMatchObject({ present: 1, changes: { new: 0, changed: 0, unchanged: 41 } })
    expect(packs() - before).toBeLessThan(4)
  })
})

describe.skipIf(!hasRestic)('damage', () => {
  test('of an index costs nothing: the packs say the same', async () => {
    for (const [name, harmIndex] of [
      ['harmed index', (path: string) => harm(path, 100)],
      ['no index', (path: string) => rmSync(path)],
    ] as const) {
      const at = copy(name)
      for (const path of filesIn(join(at, 'index'))) harmIndex(path)
      const { found, result, warnings } = await imported(at)
      expect(found).toEqual(contents)
      expect(result).toMatchObject({ failedCount: 0, unreadable: [] })
      expect(warnings.length > 0).toBe(name === 'harmed index')
    }
  })

  test('of a snapshot leaves it out, and not the others', async () => {
    const at = copy('harmed snapshot')
    repository.run(['-r', at, 'backup', '--quiet', join(source, 'below')])
    const [first, ...others] = filesIn(join(at, 'snapshots'))
    harm(first!, 40)
    const { result } = await imported(at)
    expect(result.imported).toHaveLength(others.length)
    expect(result.unreadable).toMatchObject([
      { path: `snapshots/${first!.slice(-64)}`, error: { code: 'KLOSET_OBJECT_CORRUPT' } },
    ])
  })

  test('of a pack costs the files in it, each told with its name', async () => {
    const at = copy('harmed pack')
    for (const path of filesIn(join(at, 'data'))) if (statSync(path).size > 1_000_000) harm(path, 500_000)
    const { result, found } = await imported(at)
    // In each of the snapshots.
    const failed = [...new Set(result.failed.map(({ path }) => path))]
    expect(failed.length).toBeGreaterThan(0)
    for (const { error } of result.failed) expect(error).toMatchObject({ code: 'KLOSET_PACK_CORRUPT' })
    expect([...Object.keys(found), ...failed].sort()).toEqual(Object.keys(contents).sort())
    for (const [path, content] of Object.entries(found)) expect(content).toEqual(contents[path])
  })

  test('of everything that is stored is told, and gives nothing wrong', async () => {
    const at = copy('no packs')
    rmSync(join(at, 'data'), { recursive: true })
    const { result } = await imported(at)
    expect(result.imported).toEqual([])
    expect(result.unreadable[0]).toMatchObject({ error: { code: 'KLOSET_NOT_FOUND' } })
  })

  test('is not what a disk is that was taken away: that ends the import', async () => {
    const at = copy('taken away')
    const store = await newStore()
    const history = await open(at)
    const listed = history.snapshots.bind(history)
    history.snapshots = async function* (how) {
      yield* listed(how)
      rmSync(at, { recursive: true })
      mkdirSync(join(at, 'index'), { recursive: true })
    }
    await expect(store.importFrom(history)).rejects.toMatchObject({ code: 'KLOSET_NO_STORE' })
  })

  test('is not what a broken line is: that ends the import, and the next one goes on', async () => {
    const store = await newStore()
    const storage = folderStorage(repository.location)
    const broken: typeof storage = {
      ...storage,
      async get(name, how) {
        if (name.startsWith('data/') && how.range!.length > 400_000)
          throw new KlosetError('KLOSET_OFFLINE', 'the line is down', { retry: 'later' })
        return storage.get(name, how)
      },
    }
    const history = await openRestic(broken, { password: resticPassword })
    const events: ImportEvent[] = []
    const failing = store.importFrom(history, { onEvent: (event) => events.push(event) })
    await expect(failing).rejects.toMatchObject({ code: 'KLOSET_OFFLINE' })
    expect(events.some(({ type }) => type === 'imported')).toBe(false)
    const whole = await openRestic(storage, { password: resticPassword })
    const result = await store.importFrom(whole)
    expect(result).toMatchObject({ present: 0, failedCount: 0 })
  })
})

describe.skipIf(!hasRestic)('folders that were saved', () => {
  const rootsIn = async (id: string): Promise<Record<string, string[]>> => {
    const history = await open(repository.location)
    const snapshot = (await snapshotsOf(history)).find((each) => each.id === id)!
    const found: Record<string, string[]> = {}
    for (const one of await history.open(snapshot, { signal })) {
      const paths: string[] = []
      found[one.root] = paths
      const all = { takes: () => true }
      for await (const batch of one.scan({ signal, filter: all, under: '' }))
        for (const { path } of batch) paths.push(path)
    }
    return found
  }
  const saved = (cwd: string, ...paths: string[]): string => {
    const lines = repository
      .run(['backup', '--json', ...paths], { cwd })
      .trim()
      .split('\n')
    const { snapshot_id } = JSON.parse(lines.at(-1)!) as { snapshot_id: string }
    return resticIds(repository).find((id) => id.startsWith(snapshot_id))!
  }

  test('are found again however they were named', async () => {
    const tree = join(folder, 'tree')
    mkdirSync(join(tree, 'a/a'), { recursive: true })
    mkdirSync(join(tree, 'b'))
    for (const name of ['a/one', 'a/a/two', 'b/three']) writeFileSync(join(tree, name), name)
    const a = ['', 'a', 'a/two', 'one']
    const [atA, atB] = [join(tree, 'a'), join(tree, 'b')]
    expect(await rootsIn(saved(tree, atA))).toEqual({ [atA]: a })
    expect(await rootsIn(saved(tree, 'a'))).toEqual({ [atA]: a })
    expect(await rootsIn(saved(atA, '.'))).toEqual({ [atA]: a })
    expect(await rootsIn(saved(tree, 'a', 'b'))).toEqual({ [atA]: a, [atB]: ['', 'three'] })
    expect(await rootsIn(saved(tree, atA, join(atA, 'a')))).toEqual({ [atA]: a, [join(atA, 'a')]: ['', 'two'] })
    expect(await rootsIn(saved(tree, join(atB, 'three')))).toEqual({ [join(atB, 'three')]: ['three'] })
    // Of two that have one name, restic calls the second another: then all is one.
    const both = await rootsIn(saved(tree, 'a/a', 'b', '../tree/b'))
    expect(
      Object.values(both)
        .flat()
        .filter((path) => path.endsWith('three')),
    ).not.toEqual([])
  })
})
