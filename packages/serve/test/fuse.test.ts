import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryStorage, type Store } from 'kloset'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Mount, mountStore } from '../src/index.js'
import {
  addSnapshot,
  damaging,
  emptyStore,
  makeFolder,
  noise,
  oddestNames,
  oddNames,
  run,
  temporary,
} from './stores.js'

const folder = temporary()
const source = join(folder, 'source')
let places = 0

function newPlace(): string {
  const place = join(folder, `mounted-${places++}`)
  mkdirSync(place)
  return place
}

/** Whether this machine lets these tests mount anything: what it says is tried. */
async function canMount(): Promise<boolean> {
  try {
    const mount = await mountStore(await emptyStore(), newPlace())
    await mount.unmount()
    return true
  } catch {
    return false
  }
}

const able = await canMount()

// Whatever looks into the mount is a process of its own: this one answers it.
describe.runIf(able)('a mounted store', () => {
  let store: Store
  let mount: Mount
  const at = (path: string): string => join(mount.folder, path)
  const shell = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await run('sh', ['-c', line])
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' })
    return stdout.trim()
  }

  beforeAll(async () => {
    makeFolder(source, [...oddNames, ...oddestNames])
    store = await emptyStore()
    await store.backup(source, { host: 'nas', tags: ['daily', 'of/the/night'] })
    mount = await mountStore(store, newPlace())
  })
  afterAll(async () => {
    await mount.unmount()
    await store.close()
  })

  test('has every snapshot by id, time, host and tag, and the newest as a link', async () => {
    const { id, time } = await store.snapshot('latest')
    const stamp = time
      .toISOString()
      .replace(/\.\d+Z/, 'Z')
      .replaceAll(':', '-')
    expect(await shell(`ls ${mount.folder}`)).toBe('hosts\nids\nlatest\ntags\ntimes')
    expect(await shell(`readlink ${at('latest')} ${at('hosts/nas/latest')}`)).toBe(`ids/${id.slice(0, 8)}\n${stamp}`)
    expect(await shell(`ls ${at('times')} ${at('tags')}`)).toContain(`${stamp}`)
    expect(await shell(`cat ${at(`tags/of%2Fthe%2Fnight/${stamp}/deep/deeper/deepest/file`)}`)).toBe('at the bottom')
    expect(await shell(`stat -c %y ${at(`ids/${id.slice(0, 8)}`)}`)).toContain(time.toISOString().slice(0, 10))
  })

  test('is what was saved: names, contents, links, modes, owners, times, hard links', async () => {
    expect(await shell(`diff -r --no-dereference ${source} ${at('latest/')}`)).toBe('')
    const listing = (place: string): Promise<string> =>
      shell(
        `cd ${place} && find . -mindepth 1 -type d -printf '%p %M %U:%G %T@\\n' -o -mindepth 1 -printf '%p %M %U:%G %T@ %s %n %l\\n' | sort`,
      )
    expect(await listing(at('latest/'))).toBe(await listing(source))
    const [script, link] = (await shell(`stat -c %i ${at('latest/script.sh')} ${at('latest/hard-link')}`)).split('\n')
    expect(script).toBe(link)
  })

  test('reads anywhere in a file, and by several at once', async () => {
    const large = at('latest/large.bin')
    const wanted = Buffer.from(noise(9_000_000, 1))
    for (const [offset, length] of [
      [0, 1],
      [8_999_999, 5],
      [4_194_303, 3],
      [123_456, 1_000_000],
      [9_000_000, 10],
    ] as const) {
      const got = await run('dd', [
        `if=${large}`,
        'iflag=skip_bytes,count_bytes,direct',
        `skip=${offset}`,
        `count=${length}`,
        'bs=64K',
        'status=none',
      ])
      expect(Buffer.from(got.stdout, 'latin1').equals(wanted.subarray(offset, offset + length))).toBe(true)
    }
    const sums = await shell(
      `for i in 1 2 3 4 5 6; do sha256sum < ${large} & done; wait; sha256sum < ${join(source, 'large.bin')}`,
    )
    expect(new Set(sums.split('\n')).size).toBe(1)
  })

  test('cannot be written to, and says what is not there', async () => {
    for (const line of [
      `touch ${at('latest/new')}`,
      `rm ${at('latest/empty')}`,
      `mkdir ${at('x')}`,
      `chmod 777 ${at('latest/empty')}`,
    ])
      expect((await run('sh', ['-c', line])).stderr).toContain('Read-only file system')
    for (const path of [
      'nothing',
      'latest/nothing',
      'ids/00000000',
      'latest/empty/x',
      'latest/deep/nothing',
      'hosts/other',
    ])
      expect((await run('cat', [at(path)])).stderr).toMatch(/No such file|Not a directory/)
  })

  test('shows a snapshot that is made meanwhile', async () => {
    const id = await addSnapshot(store, [{ path: 'only', content: 'new' }], { host: 'of a strange\nname/..' })
    await expect
      .poll(() => run('cat', [at('latest/only')]), { timeout: 20_000, interval: 500 })
      .toMatchObject({ stdout: 'new' })
    expect(await shell(`readlink ${at('latest')}`)).toBe(`ids/${id.slice(0, 8)}`)
    expect(await shell(`ls ${at('hosts')}`)).toBe('nas\nof a strange%0Aname%2F..')
  })
})

describe.runIf(able)('extended attributes and special files', () => {
  test('are as they were recorded, whether or not the source could have them', async () => {
    const store = await emptyStore()
    await addSnapshot(store, [
      {
        path: 'file',
        content: 'x',
        xattrs: { 'user.note': Buffer.from('hello'), 'user.empty': new Uint8Array(), 'user.long': noise(60_000, 1) },
        mode: 0o4755,
        mtime: -1_500_000_000n,
      },
      { path: 'fifo', type: 'fifo' },
      { path: 'device', type: 'character', device: { major: 1, minor: 300 }, mode: 0o644, owner: { uid: 12, gid: 34 } },
      { path: 'up', type: 'symlink', target: '../../../..' },
      { path: 'far', type: 'symlink', target: 'x'.repeat(5_000) },
      { path: 'lost', content: () => Promise.reject(new Error('unreadable')), size: 7 },
    ])
    const mount = await mountStore(store, newPlace())
    try {
      const inside = join(mount.folder, 'latest')
      const attributes = await run('getfattr', ['-d', '-m', '-', '--absolute-names', join(inside, 'file')])
      if (attributes.code !== null) {
        expect(attributes.stdout).toMatch(/^user.empty=""\nuser.long=.*\nuser.note="hello"$/m)
        const long = await run('getfattr', [
          '-n',
          'user.long',
          '--only-values',
          '--absolute-names',
          join(inside, 'file'),
        ])
        expect(Buffer.from(long.stdout, 'latin1').equals(noise(60_000, 1))).toBe(true)
      }
      const paths = ['file', 'fifo', 'device', 'up', 'lost'].map((path) => join(inside, path))
      const stats = await run('stat', ['-c', '%n %F %A %u:%g %t,%T %.9Y', ...paths])
      expect(stats.stdout.replaceAll(`${inside}/`, '').split('\n')).toEqual([
        expect.stringMatching(/^file regular file -rwsr-xr-x 0:0 0,0 -1.500000000$/),
        expect.stringMatching(/^fifo fifo prw------- /),
        expect.stringMatching(/^device character special file crw-r--r-- 12:34 1,12c /),
        expect.stringMatching(/^up symbolic link lrwxrwxrwx /),
        expect.stringMatching(/^lost regular file /),
        '',
      ])
      expect((await run('readlink', [join(inside, 'up')])).stdout).toBe('../../../..\n')
      expect((await run('cat', [join(inside, 'far')])).code).toBe(1)
      expect(await run('cat', [join(inside, 'lost')])).toMatchObject({
        stdout: '',
        stderr: expect.stringContaining('Input/output error'),
      })
    } finally {
      await mount.unmount()
      await store.close()
    }
  })
})

describe.runIf(able)('what is damaged', () => {
  test('cannot be read, and is told; the rest can', async () => {
    const storage = memoryStorage()
    const store = await emptyStore(damaging(storage, () => broken))
    let broken = false
    await addSnapshot(store, [
      { path: 'a', content: noise(3_000_000, 1) },
      { path: 'b', content: 'small' },
    ])
    const failed: string[] = []
    const mount = await mountStore(store, newPlace(), { onFailed: (path) => failed.push(path) })
    try {
      expect((await run('ls', [join(mount.folder, 'latest/')])).stdout).toBe('a\nb\n')
      broken = true
      const { code, stderr } = await run('cat', [join(mount.folder, 'latest/a')])
      expect([code, stderr]).toEqual([1, expect.stringContaining('Input/output error')])
      expect(failed[0]).toMatch(/^ids\/[0-9a-f]{8}\/a$/)
      broken = false
      expect((await run('cat', [join(mount.folder, 'latest/b')])).stdout).toBe('small')
    } finally {
      await mount.unmount()
      await store.close()
    }
  })
})

describe.runIf(able)('unmounting', () => {
  test('by somebody else ends the mount', async () => {
    const mount = await mountStore(await emptyStore(), newPlace())
    expect((await run('umount', [mount.folder])).code).toBe(0)
    await mount.ended
  })

  test('while it is in use puts it out of sight, and it ends when nobody uses it any more', async () => {
    const store = await emptyStore()
    await addSnapshot(store, [{ path: 'a', content: noise(3_000_000, 1) }])
    const mount = await mountStore(store, newPlace())
    // It reads a little and waits before it goes on.
    const begun = join(folder, 'begun')
    const reading = run('sh', [
      '-c',
      `exec < ${mount.folder}/latest/a; head -c 1 > /dev/null; touch ${begun}; sleep 1; cat | wc -c`,
    ])
    await expect.poll(() => existsSync(begun), { timeout: 20_000 }).toBe(true)
    expect(await mount.unmount()).toBe(false)
    expect((await run('ls', [mount.folder])).stdout).toBe('')
    expect(Number((await reading).stdout)).toBeGreaterThan(2_000_000)
    await mount.ended
    await store.close()
  })
})

test('a folder is refused that is not there, not empty, or not a folder', async () => {
  const store = await emptyStore()
  const full = newPlace()
  writeFileSync(join(full, 'file'), '')
  const code = able
    ? { full: 'KLOSET_EXISTS', none: 'KLOSET_NOT_FOUND' }
    : { full: expect.any(String), none: expect.any(String) }
  await expect(mountStore(store, full)).rejects.toMatchObject({ code: code.full })
  await expect(mountStore(store, join(full, 'file'))).rejects.toMatchObject({ code: code.none })
  await expect(mountStore(store, join(full, 'nothing'))).rejects.toMatchObject({ code: code.none })
})
