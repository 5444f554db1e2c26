import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from 'kloset/connector'
import { afterAll, describe, expect, test } from 'vitest'
import { canHold } from '../../src/folder.js'
import { Folders } from '../../src/folders.js'
import { native } from '../../src/native.js'
import { workerSide } from '../../src/sides.js'
import { create, fsDestination, fsSource, noise, threads } from '../engine/tools.js'
import { call, contentOf, isRoot, places } from '../places.js'

// A folder that is exchanged for a symbolic link during a restore is not followed: whatever is written, changed, read or removed stays in the
// folder that was there.

const place = places()
const engine = threads()

/** A destination and a folder outside of it, with `exchange` to put a link to it in the place of the folder `sub`. */
async function scene() {
  const folder = place()
  const [root, outside] = [join(folder, 'root'), join(folder, 'outside')]
  mkdirSync(join(root, 'sub'), { recursive: true })
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'theirs')
  chmodSync(join(outside, 'file'), 0o640)
  const before = lstatSync(join(outside, 'file'), { bigint: true })
  return {
    root,
    away: join(root, 'away'),
    exchange() {
      renameSync(join(root, 'sub'), join(root, 'away'))
      symlinkSync(outside, join(root, 'sub'))
    },
    expectUntouched() {
      expect(readdirSync(outside)).toEqual(['file'])
      const after = lstatSync(join(outside, 'file'), { bigint: true })
      expect({ ...after, atimeMs: 0n, atimeNs: 0n }).toEqual({ ...before, atimeMs: 0n, atimeNs: 0n })
    },
  }
}

const inSub = (name: string, more: Partial<Entry> = {}): Entry => ({ path: `sub/${name}`, type: 'file', ...more })

describe.runIf(canHold())('in a folder that is exchanged for a link once the destination has seen it', () => {
  test('files, links, devices and hard links are made where the folder went', async () => {
    const { root, away, exchange, expectUntouched } = await scene()
    const destination = await fsDestination(root)
    await destination.write(inSub('first', { mode: 0o600 }), contentOf('first'), call)
    exchange()
    const mtime = 1_000_000_000_000_000_000n
    await destination.write(inSub('file', { mode: 0o666, mtime }), contentOf('mine'), call)
    await destination.create(inSub('link', { type: 'symlink', target: 'x', mtime }), call)
    await destination.link?.('sub/other', 'sub/file', call)
    if (native()) await destination.create(inSub('pipe', { type: 'fifo', mode: 0o666, mtime }), call)
    expectUntouched()
    expect(readFileSync(join(away, 'other'), 'utf8')).toBe('mine')
    expect(lstatSync(join(away, 'link'), { bigint: true }).mtimeNs / 1_000_000n).toBe(mtime / 1_000_000n)
    if (native()) expect(statSync(join(away, 'pipe')).mode & 0o777).toBe(0o666)
    await destination.close({ complete: true })
  })

  test('a file that was begun gets its metadata and its name where the folder went', async () => {
    const { root, away, exchange, expectUntouched } = await scene()
    const side = workerSide({ role: 'destination', root })
    const output = side.create!(inSub('file', { size: 4, mode: 0o444 }))
    // So many others that the folder would be closed were it not in use.
    for (let i = 0; i < 100; i++) side.make!({ path: `other-${i}/x`, type: 'symlink', target: 'x' })
    exchange()
    output.write(Buffer.from('mine'), 0)
    output.commit()
    expectUntouched()
    expect(readFileSync(join(away, 'file'), 'utf8')).toBe('mine')
    side.close?.()
  })

  test('nothing outside is given metadata, removed, renamed, listed or read', async () => {
    const { root, exchange, expectUntouched } = await scene()
    writeFileSync(join(root, 'sub', 'file'), 'mine')
    const destination = await fsDestination(root)
    const seen = destination.current!.scan({ ...call, filter: { takes: () => true }, under: '' })
    exchange()
    const unsafe = { code: 'KLOSET_PATH_UNSAFE' }
    await expect(destination.finish!(inSub('file', { mode: 0o666 }), call)).rejects.toMatchObject(unsafe)
    await expect(destination.finish!({ path: 'sub', type: 'directory', mode: 0o777 }, call)).rejects.toThrow()
    await expect(destination.remove!(['sub/file'], call)).rejects.toMatchObject(unsafe)
    await expect(destination.rename!('sub/file', 'stolen', call)).rejects.toMatchObject(unsafe)
    const found: string[] = []
    for await (const batch of seen) found.push(...batch.map(({ path }) => path))
    expect(found).toEqual(['', 'away', 'away/file', 'sub'])
    const bytes = destination.current!.read(inSub('file'), { ...call, range: undefined })[Symbol.asyncIterator]()
    await expect(bytes.next()).rejects.toMatchObject(unsafe)
    expect(() => workerSide({ role: 'destination', root }).open!(inSub('file'))).toThrow(/not a folder, or a link/)
    expectUntouched()
    await destination.close({ complete: true })
  })

  test('a root that is exchanged is the one that was opened, in every thread', async () => {
    const folder = place()
    const [root, outside] = [join(folder, 'root'), join(folder, 'outside')]
    mkdirSync(outside)
    const destination = await fsDestination(root)
    const { data } = destination.worker!
    renameSync(root, join(folder, 'away'))
    symlinkSync(outside, root)
    const side = workerSide(data as Parameters<typeof workerSide>[0])
    side.create!({ path: 'file', type: 'file', size: 0 }).commit()
    await destination.write({ path: 'other', type: 'file' }, contentOf('x'), call)
    expect([readdirSync(outside), readdirSync(join(folder, 'away'))]).toEqual([[], ['file', 'other']])
    side.close?.()
    await destination.close({ complete: true })
  })

  test('folders are closed again', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length
    const before = open()
    const root = place()
    const side = workerSide({ role: 'destination', root })
    for (let i = 0; i < 200; i++) side.make!({ path: `${'deep/'.repeat(i % 20)}${i}/x`, type: 'symlink', target: 'x' })
    expect(open() - before).toBeLessThan(80)
    side.close?.()
    expect(open()).toBe(before)
  })
})

describe('where folders cannot be held open', () => {
  test.runIf(isRoot)('root is refused folders that others can write to, unless they are trusted', () => {
    // Not below the folder of all tests: what it is in counts, too.
    const root = mkdtempSync(join(tmpdir(), 'kloset-shared-'))
    afterAll(() => rmSync(root, { recursive: true }))
    mkdirSync(join(root, 'theirs'))
    chownSync(join(root, 'theirs'), 65_534, 65_534)
    mkdirSync(join(root, 'own'))
    const by = { holds: false }
    expect(new Folders(root, by).place('own/x')).toBe(join(root, 'own/x'))
    expect(() => new Folders(root, by).place('theirs/x')).toThrow(/as root: others can write/)
    expect(() => new Folders(join(root, 'theirs'), by)).toThrow(/as root: others can write/)
    expect(new Folders(root, { ...by, trustsOthers: true }).place('theirs/x')).toBe(join(root, 'theirs/x'))
  })

  test('links that are there are not followed', () => {
    const root = place()
    symlinkSync('/', join(root, 'link'))
    expect(() => new Folders(root, { holds: false, trustsOthers: true }).place('link/x')).toThrow(/a link to one/)
  })
})

test.runIf(isRoot && canHold())(
  'a user who exchanges his folder again and again while root restores into it gains nothing',
  async () => {
    const folder = place()
    const [source, target, victim] = ['source', 'target', 'victim'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    mkdirSync(join(source, 'proj'), { recursive: true })
    for (let i = 0; i < 400; i++) writeFileSync(join(source, 'proj', `f${i}`), noise(20_000, i + 1))
    mkdirSync(victim)
    mkdirSync(join(target, 'proj'), { recursive: true })
    for (const each of [target, join(target, 'proj')]) chownSync(each, 65_534, 65_534)
    const store = await create(join(folder, 'store'), engine, true)
    const { snapshot } = await store.backup([await fsSource(source)])
    // The folders above are private.
    for (let at = folder; at !== '/' && at !== tmpdir(); at = join(at, '..')) chmodSync(at, 0o755)
    const attacker = spawn(process.execPath, ['-e', attack, target, victim], { uid: 65_534, gid: 65_534, cwd: '/' })
    try {
      await new Promise((resolve) => attacker.stdout.once('data', resolve))
      for (let i = 0; i < 5; i++) await store.restore(snapshot!, target, { overwrite: 'always', verify: true })
    } finally {
      attacker.kill()
      await store.close()
    }
    expect(readdirSync(victim)).toEqual([])
    expect(statSync(victim)).toMatchObject({ uid: 0, mode: 0o40755 })
  },
  60_000,
)

const attack = `
const { renameSync, symlinkSync, unlinkSync } = require('node:fs')
const [target, victim] = process.argv.slice(1)
console.log('ready')
for (;;) try {
  renameSync(target + '/proj', target + '/away')
  symlinkSync(victim, target + '/proj')
  for (const end = Date.now() + 2; Date.now() < end; );
  unlinkSync(target + '/proj')
  renameSync(target + '/away', target + '/proj')
  for (const end = Date.now() + 2; Date.now() < end; );
} catch { try { unlinkSync(target + '/proj') } catch {} try { renameSync(target + '/away', target + '/proj') } catch {} }
`
