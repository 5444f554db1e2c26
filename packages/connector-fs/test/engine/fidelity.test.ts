import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { unlike } from '../compare.js'
import { isRoot } from '../places.js'
import { makeZoo } from '../zoo.js'
import { create, errorsOf, noise, open, places, settle, threads } from './tools.js'

const place = places()
const engine = threads()
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const canJudge = isRoot && process.platform === 'linux' && has('setfattr') && has('getfacl') && (await hasKoffi())

async function hasKoffi(): Promise<boolean> {
  return import('koffi').then(
    () => true,
    () => false,
  )
}

/** A store with one snapshot of a folder. */
async function stored(source: string): Promise<string> {
  await settle()
  const at = place()
  const store = await create(at, engine)
  const { failed } = await store.backup(source)
  expect(failed).toEqual([])
  expect(await errorsOf(store)).toEqual([])
  await store.close()
  return at
}

async function restored(at: string, target: string, options = {}): Promise<Readonly<Record<string, number>>> {
  const store = await open(at, engine)
  const { failed, leftOut } = await store.restore('latest', target, { overwrite: 'always', options })
  expect(failed).toEqual([])
  await store.close()
  return leftOut
}

/** A folder in memory: there attributes may be as long as Linux lets them be. */
function inMemory(): string | undefined {
  if (!existsSync('/dev/shm')) return undefined
  const folder = mkdtempSync('/dev/shm/kloset-fs-')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe.runIf(canJudge)('as root', () => {
  it('one of everything comes back as it was', async () => {
    const source = place()
    makeZoo(source)
    const at = await stored(source)
    const target = place()
    expect(await restored(at, target)).toEqual({})
    expect(unlike(source, target)).toEqual([])
    // Once more over what is there, and where folders have other lists than they should.
    execFileSync('setfacl', ['-m', 'u:9:rwx,d:u:9:rwx', `${target}/folder`, target])
    execFileSync('setfacl', ['-b', `${target}/handing-down`])
    expect(await restored(at, target)).toEqual({})
    expect(unlike(source, target)).toEqual([])
  })

  it('a part of a real system comes back as it was', async () => {
    const at = await stored('/etc')
    const target = place()
    expect(await restored(at, target)).toEqual({})
    expect(unlike('/etc', target)).toEqual([])
  })

  it('attributes may be as long as there are', async () => {
    const [source, target] = [inMemory(), inMemory()]
    if (source === undefined || target === undefined) return
    writeFileSync(`${source}/file`, 'x')
    mkdirSync(`${source}/folder`)
    for (const name of ['file', 'folder', '.'])
      for (const [i, length] of [1, 1023, 1024, 1025, 60_000, 65_536].entries()) {
        const value = `0s${noise(length + 4, length)
          .subarray(0, length)
          .toString('base64')}`
        const given = spawnSync('setfattr', ['--restore=-'], {
          input: `# file: ${source}/${name}\nuser.long-${i}=${value}\n\n`,
        })
        // Not every kernel has them here.
        if (given.status !== 0) return
      }
    const at = await stored(source)
    expect(await restored(at, target)).toEqual({})
    expect(unlike(source, target)).toEqual([])
    // A file system that has no room for one: the file is there, and it is said what is not.
    const small = place()
    const store = await open(at, engine)
    const { failed } = await store.restore('latest', small)
    await store.close()
    expect(unlike(source, small, ['xattrs'])).toEqual([])
    if (statSync(small).dev !== statSync(target).dev)
      expect(failed.map(({ path, error }) => `${path}: ${(error as Error).message}`)).toContainEqual(
        expect.stringMatching(/^file: cannot set the attribute user\.long-\d of \d+ bytes: there is no room/),
      )
  })

  it('what is restored gets no access control list from the folder it is put into', async () => {
    const source = place()
    writeFileSync(`${source}/secret`, 'x', { mode: 0o640 })
    mkdirSync(`${source}/folder`)
    writeFileSync(`${source}/folder/inside`, 'x')
    const at = await stored(source)
    const target = place()
    execFileSync('setfacl', ['-m', 'd:u:9:rwx', target])
    await restored(at, target)
    expect(unlike(source, target)).toEqual([])
    // Without attributes, all is as the system does it.
    const plain = place()
    execFileSync('setfacl', ['-m', 'd:u:9:rwx', plain])
    await restored(at, plain, { xattrs: false })
    expect(execFileSync('getfacl', ['-n', '-p', `${plain}/secret`], { encoding: 'utf8' })).toContain('user:9:')
  })

  it('owners are who has the name here, or the number', async () => {
    const source = place()
    for (const [name, uid, gid] of [
      ['known', 1, 1],
      ['unknown', 3_456_789, 3_456_789],
      ['root', 0, 0],
    ] as const) {
      writeFileSync(`${source}/${name}`, 'x')
      chownSync(`${source}/${name}`, uid, gid)
    }
    const at = await stored(source)
    for (const owners of ['names', 'numbers']) {
      const target = place()
      expect(await restored(at, target, { owners })).toEqual({})
      expect(unlike(source, target)).toEqual([])
    }
  })

  it('holes are as they were, or everywhere, or nowhere', async () => {
    const source = place()
    writeFileSync(`${source}/zeros`, Buffer.alloc(2_000_000))
    writeFileSync(`${source}/mixed`, Buffer.concat([Buffer.from('begins'), Buffer.alloc(100_000), Buffer.from('ends')]))
    execFileSync('truncate', ['-s', '30000000', `${source}/hole`])
    const at = await stored(source)
    const room = (folder: string, name: string): number => statSync(`${folder}/${name}`).blocks * 512
    for (const holes of ['keep', 'make', 'none']) {
      const target = place()
      expect(await restored(at, target, { holes })).toEqual({})
      expect(unlike(source, target, ['data'])).toEqual([])
      const expected = { keep: [true, true, false], make: [false, false, false], none: [true, true, true] }[holes]
      const full = ['zeros', 'mixed', 'hole'].map((name) => room(target, name) >= statSync(`${source}/${name}`).size)
      expect(full).toEqual(expected)
    }
  })
})

describe.runIf(canJudge)('as a user', () => {
  const script = fileURLToPath(new URL('./unprivileged.mjs', import.meta.url))

  function asUser(at: string, target: string, options = {}): { failed: string[]; leftOut: Record<string, number> } {
    for (let folder = dirname(at); folder !== '/'; folder = dirname(folder)) chmodSync(folder, 0o755)
    execFileSync('chmod', ['-R', 'a+rX', at])
    chownSync(target, 65_534, 65_534)
    const out = execFileSync(process.execPath, [script, at, target, JSON.stringify(options)], { encoding: 'utf8' })
    return JSON.parse(out.trim().split('\n').at(-1)!)
  }

  it('what only root may restore is told by kind, and everything else is there', async () => {
    const source = place()
    makeZoo(source)
    const at = await stored(source)
    const target = place()
    const { failed, leftOut } = asUser(at, target)
    expect(failed).toEqual([])
    expect(Object.keys(leftOut).sort()).toEqual([
      'devices',
      'mode:setuid',
      'owner',
      'xattrs:security',
      'xattrs:trusted',
    ])
    expect(leftOut).toMatchObject({ devices: 4, 'mode:setuid': 6, 'xattrs:security': 2 })
    const lines = unlike(source, target, ['owner', 'mode', 'acl', 'xattrs'])
    expect(lines.filter((line) => !/: only in /.test(line))).toEqual([])
    expect(lines.map((line) => line.split(':')[0]).sort()).toEqual([
      'another-null',
      'folder/third-null',
      'large-numbers',
      'null',
    ])
    const attributes = execFileSync('getfattr', ['-d', '-m', '-', 'plain', 'read-only'], {
      cwd: target,
      encoding: 'utf8',
    })
    for (const name of ['user.note="a note"', 'user.empty=""', 'user.bytes=', 'kept although'])
      expect(attributes).toContain(name)
    const list = execFileSync('getfacl', ['-n', '-c', 'listed'], { cwd: target, encoding: 'utf8' })
    expect(list).toContain('user:1000:rw-')
  })

  it('nothing is missed of what is all his own', async () => {
    const source = place()
    mkdirSync(`${source}/folder`)
    writeFileSync(`${source}/folder/file`, 'x', { mode: 0o4755 })
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'x', `${source}/folder/file`])
    execFileSync('chown', ['-R', '65534:65534', source])
    chmodSync(`${source}/folder/file`, 0o6755)
    const at = await stored(source)
    const target = place()
    expect(asUser(at, target)).toMatchObject({ failed: [], leftOut: {} })
    expect(unlike(source, target)).toEqual([])
  })
})
