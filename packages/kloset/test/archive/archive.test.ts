import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ArchiveOptions, Store } from '../../src/api.js'
import { text, toHex, utf8 } from '../../src/bytes/index.js'
import { pathToBytes } from '../../src/connector/index.js'
import { openedStore } from '../../src/facade.js'
import { packObject } from '../../src/pack/index.js'
import type { StoredSnapshot } from '../../src/snapshot/index.js'
import { extents } from '../../src/tree/index.js'
import { call, newStore, noise, reopen, type Spec, type Specs, scripted } from '../backup/support.js'
import { outcome } from '../support/stores.js'
import { archived, has, inFile, type ReadMember, readTar, readZip } from './readers.js'

const python = { skip: !has('python3') }
const hexOf = (path: string): string => toHex(pathToBytes(path))

/** Names that archives have trouble with: any bytes, any script, any length. */
const anyName = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.constantFrom('é', 'e\u0301', '日本語', '\u{1f9ca}', 'a b', 'new\nline', '=', '%', "'", '\\', '-', '.hidden'),
    fc.constantFrom(
      'caf\udce9',
      '\udcff',
      'x'.repeat(99),
      'x'.repeat(100),
      'y'.repeat(101),
      'é'.repeat(60),
      `${'z'.repeat(120)}\udc80`,
    ),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && isPath(name))
const anyTime = fc.oneof(
  fc.bigInt({ min: 0n, max: 4_000_000_000n }).map((seconds) => seconds * 1_000_000_000n),
  fc.bigInt({ min: -(2n ** 60n), max: 2n ** 62n }),
)
const anyOwner = fc.record({
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2_097_150, max: 2 ** 32 - 1 })),
  gid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2_097_150, max: 2 ** 32 - 1 })),
  user: fc.constantFrom('anna', 'jürgen', 'u'.repeat(40)),
  group: fc.constantFrom('users', 'größe', ''),
})
const anyXattrs = fc.dictionary(
  fc.constantFrom('user.note', 'user.a=b', 'user.50%', 'security.selinux', 'user.größe'),
  fc.uint8Array({ maxLength: 600 }),
  { maxKeys: 3 },
)
const anySpec: fc.Arbitrary<Spec> = fc
  .record({
    type: fc.constantFrom('file', 'file', 'file', 'directory', 'symlink', 'fifo', 'character', 'block'),
    mode: fc.nat(0o7777),
    mtime: anyTime,
    owner: anyOwner,
    xattrs: anyXattrs,
    content: fc.uint8Array({ maxLength: 3_000 }),
    target: fc.oneof(anyName, fc.constant('../'.repeat(60)), fc.constant('to \udcfe')),
    major: fc.nat(4_000),
  })
  .map(({ type, content, target, major, ...rest }) => ({
    type: type as NonNullable<Spec['type']>,
    ...rest,
    ...(type === 'file' && { content, size: content.length }),
    ...(type === 'symlink' && { target }),
    ...((type === 'character' || type === 'block') && { device: { major, minor: major + 1 } }),
  }))

function isPath(name: string): boolean {
  try {
    return pathToBytes(name).length <= 250
  } catch {
    return false
  }
}

/** One tree with all of these in it, each in a folder of its own, so that none is in another's way. */
function treeOf(samples: readonly (readonly [string, Spec])[]): Record<string, Spec> {
  const root: Spec = { type: 'directory', mode: 0o755, mtime: 5n }
  const tree: Record<string, Spec> = { '': root }
  for (const [i, [name, spec]] of samples.entries()) {
    tree[`${i}`] = { ...root, mtime: BigInt(i) * 1_000_000_000n }
    tree[`${i}/${name}`] = spec
  }
  return tree
}

function expectedIn(tree: Readonly<Record<string, Spec>>, path: string): Partial<ReadMember> {
  const { type = 'file', mode, mtime = 0n, owner, content = '', target, device } = tree[path]!
  const bytes = typeof content === 'string' ? utf8(content) : content
  return {
    name: hexOf(path === '' ? '.' : path),
    type,
    mode: mode!,
    uid: owner?.uid ?? 0,
    gid: owner?.gid ?? 0,
    user: owner?.user ?? '',
    group: owner?.group ?? '',
    mtime: decimals(mtime),
    link: hexOf(target ?? ''),
    device: device === undefined ? [0, 0] : [device.major, device.minor],
    content: type === 'file' ? toHex(bytes) : null,
  }
}

function decimals(time: bigint): string {
  const sign = time < 0n ? '-' : ''
  const digits = `${time < 0n ? -time : time}`.padStart(10, '0')
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9).replace(/0+$/, '')}`.replace(/\.$/, '')
}

async function storeOf(specs: Specs): Promise<Store> {
  const { store, place } = await newStore()
  await store.backup(scripted(specs))
  return reopen(place)
}

const seed = Number(process.env.KLOSET_SEED ?? Date.now() % 1e9)
const samples = fc.sample(fc.tuple(anyName, anySpec), { numRuns: 150, seed })

describe(`an archive of anything, KLOSET_SEED=${seed}`, () => {
  const tree = treeOf(samples)

  it('as tar says all of it, read by Python', python, async () => {
    const { bytes, result } = await archived(await storeOf(tree))
    expect(result).toMatchObject({ failed: [], leftOut: {} })
    const members = new Map(readTar(bytes).map((member) => [member.name, member]))
    expect(members.size).toBe(Object.keys(tree).length)
    for (const path of Object.keys(tree)) {
      const expected = expectedIn(tree, path)
      const { records, mtime, ...member } = members.get(expected.name!)!
      expect({ ...member, mtime: Number(mtime) }, path).toEqual({ ...expected, mtime: Number(expected.mtime) })
      if (records[toHex(utf8('mtime'))] !== undefined) expect(mtime, path).toBe(expected.mtime)
      for (const [name, value] of Object.entries(tree[path]!.xattrs ?? {})) {
        const key = `SCHILY.xattr.${name.replace('%', '%25').replace('=', '%3D')}`
        expect(records[toHex(utf8(key))], path).toBe(toHex(value))
      }
    }
  })

  it('as zip says what zip can, read by Python', python, async () => {
    const { bytes, result } = await archived(await storeOf(tree), { format: 'zip' })
    const kept = Object.keys(tree).filter((path) => path !== '' && !/fifo|character|block/.test(tree[path]!.type ?? ''))
    const others = Object.keys(tree).length - 1 - kept.length
    expect((result.leftOut.special ?? 0) + (result.leftOut.devices ?? 0)).toBe(others)
    const members = new Map(readZip(bytes).map((member) => [member.name, member]))
    expect(members.size).toBe(kept.length)
    for (const path of kept) {
      const { name, type, mode, content, link, uid, gid, mtime } = expectedIn(tree, path)
      const member = members.get(type === 'directory' ? `${name}2f` : name!)
      expect(member, path).toMatchObject({ type, mode, content, link })
      if (tree[path]!.owner !== undefined) expect([member!.uid, member!.gid], path).toEqual([uid, gid])
      const seconds = Math.floor(Number(mtime))
      if (seconds === (seconds | 0)) expect(Number(member!.mtime), path).toBe(seconds)
    }
  })
})

/** The packs with the content of a file, in its order. */
async function packsOf(store: Store, path: string): Promise<string[]> {
  const opened = openedStore(store)
  const [index, blobs] = [await opened.index(), await opened.blobs()]
  const { content } = await ((await store.snapshot('latest')) as StoredSnapshot).stored(path)
  const packs = new Set<string>()
  for await (const { id } of extents(content, (node) => blobs.node(node, call)))
    packs.add(packObject(index.locate(id!)!.frame.pack))
  return [...packs]
}

const few: Specs = {
  'a/file': { content: 'some text', mode: 0o640, mtime: 1_700_000_000_123_456_789n },
  'a/link': { type: 'symlink', target: 'file' },
  'caf\udce9': 'bytes',
  first: { content: 'two names', inode: { device: 1n, number: 2n, links: 2 } },
  second: { content: 'two names', inode: { device: 1n, number: 2n, links: 2 } },
  [`long/${'name'.repeat(40)}`]: 'long',
  large: noise(200_000, 3),
  socket: { type: 'socket' },
}

describe('an archive', () => {
  it.each(['tar', 'bsdtar'])('is extracted by %s as it was', async (program) => {
    if (!has(program)) return
    const { bytes, result } = await archived(await storeOf(few))
    expect(result.leftOut).toEqual({ sockets: 1 })
    inFile(bytes, (file, folder) => {
      const out = join(folder, 'out')
      mkdirSync(out)
      const { status, stderr } = spawnSync(program, ['-xf', file, '-C', out], {
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
      })
      expect([status, stderr.toString()]).toEqual([0, ''])
      const shell = (line: string): string => spawnSync('sh', ['-c', line], { cwd: out, encoding: 'latin1' }).stdout
      expect(shell('find . ! -type d | sort')).toBe(
        `./a/file\n./a/link\n./caf\xe9\n./first\n./large\n./long/${'name'.repeat(40)}\n./second\n`,
      )
      expect(shell('stat -c "%a %h %Y" a/file first second')).toBe(
        '640 1 1700000000\n644 2 1000000000\n644 2 1000000000\n',
      )
      expect(shell('stat -c %y a/file; readlink a/link')).toMatch(/\.123456789 .*\nfile\n$/)
      expect(toHex(readFileSync(join(out, 'large')))).toBe(toHex(few.large as Uint8Array))
    })
  })

  it('as zip is extracted by unzip', { skip: !has('unzip') }, async () => {
    const { bytes, result } = await archived(await storeOf(few), { format: 'zip' })
    expect(result.leftOut).toEqual({ sockets: 1, links: 1, names: 1 })
    inFile(bytes, (file, folder) => {
      const out = join(folder, 'out')
      expect(spawnSync('unzip', ['-q', file, '-d', out]).status).toBe(0)
      const shell = (line: string): string => spawnSync('sh', ['-c', line], { cwd: out }).stdout.toString()
      expect(shell('cat a/file first second long/*; readlink a/link; stat -c %a a/file')).toBe(
        'some texttwo namestwo nameslongfile\n640\n',
      )
      expect(toHex(readFileSync(join(out, 'large')))).toBe(toHex(few.large as Uint8Array))
    })
  })

  it('holds what is below a path, at its top', python, async () => {
    const store = await storeOf(few)
    const names = async (options: ArchiveOptions): Promise<string[]> =>
      readTar((await archived(store, options)).bytes).map(({ name }) => text(Uint8Array.from(Buffer.from(name, 'hex'))))
    expect(await names({ path: 'a' })).toEqual(['.', 'file', 'link'])
    expect(await names({ path: 'a/file' })).toEqual(['.', 'file'])
    expect(await names({ path: 'a', patterns: ['link'] })).toEqual(['.', 'file'])
    expect(await outcome(archived(store, { path: 'nothing' }))).toBe('KLOSET_PATH_NOT_FOUND')
  })

  it('may be compressed on the way', async () => {
    const store = await storeOf(few)
    const plain = (await archived(store)).bytes
    const { bytes } = await archived(store, { format: 'tar.gz' })
    expect(toHex(gunzipSync(bytes))).toBe(toHex(plain))
  })

  it('keeps access lists and long attributes', python, async () => {
    const acl = Uint8Array.of(
      2,
      0,
      0,
      0,
      1,
      0,
      6,
      0,
      255,
      255,
      255,
      255,
      2,
      0,
      4,
      0,
      210,
      4,
      0,
      0,
      32,
      0,
      0,
      0,
      255,
      255,
      255,
      255,
    )
    const xattrs = {
      'system.posix_acl_access': acl,
      'user.long': noise(900, 1),
      'system.posix_acl_default': utf8('none'),
    }
    const { bytes } = await archived(await storeOf({ a: { content: 'a', xattrs } }))
    const { records } = readTar(bytes).find(({ content }) => content !== null)!
    const read = (keyword: string): string | undefined => records[toHex(utf8(keyword))]
    expect(read('SCHILY.acl.access')).toBe(toHex(utf8('user::rw-,user:1234:r--,other::---')))
    expect(read('SCHILY.xattr.user.long')).toBe(toHex(xattrs['user.long']))
    // What is no list stays what it is.
    expect(read('SCHILY.xattr.system.posix_acl_default')).toBe(toHex(utf8('none')))
  })
})

describe('an archive of what is damaged', () => {
  it('leaves out what cannot be read, with all its names, and says so', python, async () => {
    const { store, place } = await newStore({ pack: 4096, frame: 4096 })
    const two = { inode: { device: 1n, number: 2n, links: 2 } }
    // In packs of its own.
    await store.backup(scripted({ b: { content: noise(9_000, 1), ...two } }))
    await store.backup(
      scripted({
        a: 'a',
        b: { content: noise(9_000, 1), ...two },
        c: noise(9_000, 2),
        d: { content: noise(9_000, 1), ...two },
        e: { content: 'e', unreadable: new Error('no') },
      }),
    )
    const before = await archived(store)
    expect(before.result.failed.map(({ path }) => path)).toEqual(['e'])
    for (const name of await packsOf(store, 'b')) place.delete(name)
    for (const format of ['tar', 'zip'] as const) {
      const { bytes, result } = await archived(await reopen(place), { format })
      expect(result.failed.map(({ path }) => path).sort()).toEqual(['b', 'd', 'e'])
      const members = (format === 'tar' ? readTar : readZip)(bytes).filter(({ type }) => type === 'file')
      expect(members.map(({ name }) => name)).toEqual(['a', 'c'].map(hexOf))
      expect(members[1]!.content).toBe(toHex(noise(9_000, 2)))
    }
  })

  it('ends with an error where that shows in the middle of a large file', async () => {
    const chunker = { min: 1 << 16, normal: 1 << 17, max: 1 << 18 }
    const { store, place } = await newStore({ chunker, frame: 1 << 20, pack: 1 << 20 })
    const piece = noise(1 << 20, 5)
    const large = new Uint8Array(40 << 20)
    for (let i = 0; i < 39; i++) large.set(piece, i << 20)
    large.set(noise(1 << 20, 6), 39 << 20)
    await store.backup(scripted({ large }))
    expect(toHex((await archived(store)).bytes.subarray(-1024 - 512, -1024))).toBe(toHex(large.subarray(-512)))
    place.delete((await packsOf(store, 'large')).at(-1)!)
    expect(await outcome(archived(await reopen(place)))).toMatch(/^KLOSET_(NOT_FOUND|CHUNK_MISSING)$/)
  })
})
