import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isRoot } from '../places.js'
import { create, differences, errorsOf, noise, open, places, seen, settle, threads, writeNoise } from './tools.js'

const place = places()
const engine = threads()
const linux = process.platform === 'linux'
/** Exact times and special files need the optional package. */
const koffi =
  linux &&
  (await import('koffi').then(
    () => true,
    () => false,
  ))

/** Backs a folder up, checks the store, restores it, and says what is different; then that nothing is read again. */
async function roundTrip(source: string): Promise<{ failed: string[]; differences: string[]; unchanged: number }> {
  await settle()
  const [at, target] = [place(), place()]
  const store = await create(at, engine)
  const first = await store.backup(source)
  expect(await errorsOf(store)).toEqual([])
  const restored = await store.restore('latest', target)
  const second = await store.backup(source)
  await store.close()
  return {
    failed: [...first.failed, ...restored.failed].map(({ path, error }) => `${path}: ${(error as Error).message}`),
    differences: differences(source, target),
    unchanged: first.changes.new - second.changes.unchanged - second.failedCount,
  }
}

const same = { failed: [], differences: [], unchanged: 0 }

/** Sets a file's time to the nanosecond, which Node cannot. */
function touch(path: string, time: string, ...more: string[]): void {
  execFileSync('touch', [...more, '-d', time, path])
}

describe('a folder comes back exactly', () => {
  it('with empty files and folders, nested ones, links of all kinds and odd sizes', async () => {
    const source = place()
    mkdirSync(`${source}/nothing`)
    mkdirSync(`${source}/a/b/c/d`, { recursive: true })
    writeFileSync(`${source}/empty`, '')
    writeFileSync(`${source}/a/b/c/d/deep`, 'deep')
    for (const size of [1, 4095, 4096, 4097, 262_143, 262_144, 262_145, 524_288, 1_048_577, 4_194_304, 4_194_305]) {
      writeNoise(`${source}/a/${size}`, size, size)
    }
    symlinkSync('nowhere', `${source}/dangling`)
    symlinkSync('/etc/passwd', `${source}/absolute`)
    symlinkSync('../..', `${source}/a/up`)
    symlinkSync('a', `${source}/to-folder`)
    symlinkSync('x'.repeat(1_000), `${source}/long-target`)
    linkSync(`${source}/a/4097`, `${source}/hard`)
    linkSync(`${source}/a/4097`, `${source}/a/b/harder`)
    expect(await roundTrip(source)).toEqual(same)
  })

  it.runIf(linux)('with names of any bytes', async () => {
    const source = place()
    const names: (string | Buffer)[] = [
      ' ',
      ' leading and trailing ',
      'new\nline',
      'tab\tbell\x07escape\x1b[31m',
      '\x01',
      '\x7f',
      '-rf',
      '*?[a]$(x)`y`;&|<>"\'\\',
      '...',
      '.hidden',
      'ünïcödé',
      'u\u0308',
      '漢字',
      '😀',
      '\ue000',
      '\uffff',
      '\ufffd',
      'n'.repeat(255),
      'é'.repeat(127),
      Buffer.from([0xff, 0xfe]),
      Buffer.from([0x80]),
      Buffer.from('caf\xe9', 'latin1'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from([0xf0, 0x9f, 0x98]),
      Buffer.from([0xc0, 0xaf]),
      Buffer.alloc(255, 0xb7),
    ]
    for (const name of names) {
      const path = Buffer.concat([Buffer.from(`${source}/`), Buffer.from(name as string)])
      mkdirSync(path)
      writeFileSync(Buffer.concat([path, Buffer.from('/'), Buffer.from(name as string)]), name)
    }
    symlinkSync(Buffer.from([0x2f, 0xff, 0xfe]), `${source}/to-bytes`)
    expect(readdirSync(source)).toHaveLength(names.length + 1)
    expect(await roundTrip(source)).toEqual(same)
  })

  it.runIf(linux)('with modes and times', async () => {
    const source = place()
    for (const mode of [0o000, 0o400, 0o777, 0o4755, 0o2755, 0o1644, 0o7777]) {
      writeFileSync(`${source}/file-${mode.toString(8)}`, 'x')
      chmodSync(`${source}/file-${mode.toString(8)}`, mode)
      mkdirSync(`${source}/folder-${mode.toString(8)}`)
      writeFileSync(`${source}/folder-${mode.toString(8)}/inside`, 'x')
    }
    const times = [0, 1, -1, -86_400 * 365 * 60, 2 ** 31 + 5, 1_700_000_000]
    for (const time of times) {
      writeFileSync(`${source}/time-${time}`, 't')
      mkdirSync(`${source}/folder-time-${time}`)
      symlinkSync('t', `${source}/link-time-${time}`)
      utimesSync(`${source}/time-${time}`, time, time)
      lutimesSync(`${source}/link-time-${time}`, time, time)
      utimesSync(`${source}/folder-time-${time}`, time, time)
    }
    if (koffi) {
      for (const [i, time] of [
        '2024-02-03 04:05:06.123456789Z',
        '1969-12-31 23:59:59.999999999Z',
        '1901-12-14Z',
      ].entries()) {
        writeFileSync(`${source}/exact-${i}`, 'x')
        touch(`${source}/exact-${i}`, time)
        symlinkSync('x', `${source}/exact-link-${i}`)
        touch(`${source}/exact-link-${i}`, time, '-h')
        mkdirSync(`${source}/exact-folder-${i}`)
        touch(`${source}/exact-folder-${i}`, time)
      }
    }
    // Only root reads what nobody may.
    for (const mode of [0o000, 0o400, 0o777, 0o4755, 0o2755, 0o1644, 0o7777]) {
      if (isRoot || (mode & 0o500) === 0o500) chmodSync(`${source}/folder-${mode.toString(8)}`, mode)
      else rmSync(`${source}/folder-${mode.toString(8)}`, { recursive: true })
    }
    if (!isRoot) rmSync(`${source}/file-0`)
    const result = await roundTrip(source)
    // Without the optional package times are exact to the microsecond, and some of these cannot be set at all.
    // A time yet to come says nothing about whether the file changes until then, so such a file is read again.
    if (koffi) expect(result).toEqual({ ...same, unchanged: 1 })
    else expect(result.failed).toEqual([])
  })

  it.runIf(linux && isRoot)('with owners', async () => {
    const source = place()
    for (const [i, [uid, gid]] of [
      [0, 0],
      [1000, 1000],
      [65_534, 65_534],
      [4_000_000_000, 3_999_999_999],
      [12, 0],
    ].entries()) {
      writeFileSync(`${source}/f${i}`, 'x')
      chownSync(`${source}/f${i}`, uid!, gid!)
      mkdirSync(`${source}/d${i}`)
      chownSync(`${source}/d${i}`, uid!, gid!)
      writeFileSync(`${source}/setuid${i}`, 'x')
      chownSync(`${source}/setuid${i}`, uid!, gid!)
      chmodSync(`${source}/setuid${i}`, 0o6755)
    }
    expect(await roundTrip(source)).toEqual(same)
  })

  it.runIf(linux)('with pipes and sockets, without waiting for them', async () => {
    const source = place()
    execFileSync('mkfifo', ['-m', '640', `${source}/pipe`])
    writeFileSync(`${source}/file`, 'x')
    const server = createServer().listen(`${source}/socket`)
    await new Promise((resolve) => server.once('listening', resolve))
    if (isRoot) execFileSync('mknod', [`${source}/null`, 'c', '1', '3'])
    try {
      const [at, target] = [place(), place()]
      const store = await create(at, engine)
      const { failed, totals } = await store.backup(source)
      expect(failed).toEqual([])
      expect(totals).toMatchObject({ files: 1, others: isRoot ? 3 : 2 })
      const restored = await store.restore('latest', target)
      if (koffi && isRoot) expect([restored.failed, differences(source, target)]).toEqual([[], []])
      else expect(readFileSync(`${target}/file`, 'utf8')).toBe('x')
      await store.close()
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('with holes in files, which take no room', async () => {
    const source = place()
    const sparse = (name: string, length: number, ...at: number[]): void => {
      const file = openSync(`${source}/${name}`, 'w')
      for (const offset of at) writeSync(file, noise(5_000, offset + 1), 0, 5_000, offset)
      closeSync(file)
      truncateSync(`${source}/${name}`, length)
    }
    sparse('all-hole', 3_000_000)
    sparse('begins', 3_000_000, 2_900_000)
    sparse('ends', 3_000_000, 0)
    sparse('between', 60_000_000, 0, 30_000_000, 59_000_000)
    sparse('large', 40_000_000)
    for (let length = 0; length < 12; length++) writeFileSync(`${source}/zeros-${length}`, new Uint8Array(length))
    for (const length of [4095, 4096, 4097, 300_000]) writeFileSync(`${source}/zeros-${length}`, new Uint8Array(length))
    await settle()
    const [at, target] = [place(), place()]
    const store = await create(at, engine)
    await store.backup(source)
    expect((await store.restore('latest', target)).failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    // Where the file system counts blocks at all.
    if (statSync(`${source}/large`).blocks === 0)
      expect(statSync(`${target}/large`).blocks * 512).toBeLessThan(1_000_000)
    await store.close()
  })

  it('with 100,000 files in one folder', async () => {
    const source = place()
    mkdirSync(`${source}/many`)
    for (let i = 0; i < 100_000; i++) writeFileSync(`${source}/many/${i}`, i % 50 === 0 ? `${i}` : '')
    await settle()
    const [at, target] = [place(), place()]
    const store = await create(at, engine)
    const first = await store.backup(source)
    expect(first.failed).toEqual([])
    expect(first.totals.files).toBe(100_000)
    // One more file changes a few nodes, not all.
    writeFileSync(`${source}/many/one-more`, 'x')
    const second = await store.backup(source)
    expect(second.changes).toEqual({ new: 1, changed: 0, unchanged: 100_000 })
    expect(second.added.metadata).toBeLessThan(first.added.metadata / 10)
    const restored = await store.restore('latest', target)
    expect(restored.failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    await store.close()
  })
})

describe('what cannot be backed up', () => {
  it.runIf(linux)('because its path is longer than the system takes is reported; the rest is not lost', async () => {
    const source = place()
    const name = 'd'.repeat(200)
    // Only step by step can one get so deep.
    const dig = `for (let i = 1; i <= 30; i++) {
      fs.mkdirSync('${name}'); process.chdir('${name}'); fs.writeFileSync('file', i + '\\n') }`
    execFileSync(process.execPath, ['-e', dig], { cwd: source })
    writeFileSync(`${source}/zz`, 'z')
    try {
      const [at, target] = [place(), place()]
      const store = await create(at, engine)
      const result = await store.backup(source)
      expect(result.failedCount).toBeGreaterThan(0)
      expect(await errorsOf(store)).toEqual([])
      const restored = await store.restore('latest', target)
      expect(readFileSync(`${target}/zz`, 'utf8')).toBe('z')
      expect(readFileSync(`${target}/${Array(10).fill(name).join('/')}/file`, 'utf8')).toBe('10\n')
      expect(restored.failedCount).toBeGreaterThan(0)
      await store.close()
    } finally {
      execFileSync('rm', ['-rf', source])
    }
  })

  it.runIf(linux && isRoot)('because a folder is closed to this user is reported', async () => {
    const source = place()
    mkdirSync(`${source}/closed`)
    writeFileSync(`${source}/closed/inside`, 'x')
    writeFileSync(`${source}/secret`, 'x')
    writeFileSync(`${source}/open`, 'x')
    chmodSync(`${source}/closed`, 0o000)
    chmodSync(`${source}/secret`, 0o000)
    const script = fileURLToPath(new URL('./child.mjs', import.meta.url))
    const [at, empty] = [place(), place()]
    await (await create(at, engine)).close()
    chmodSync(dirname(at), 0o755)
    execFileSync('chmod', ['-R', 'a+rwX', at])
    // A process cannot be root again, so it takes another one.
    const out = execFileSync(process.execPath, [script, at, source, empty], { encoding: 'utf8' })
    const { failed, totals } = JSON.parse(out.trim().split('\n').at(-1)!)
    expect(failed).toEqual([
      { path: 'closed', code: 'KLOSET_DENIED' },
      { path: 'secret', code: 'KLOSET_DENIED' },
    ])
    expect(totals).toMatchObject({ files: 2, errors: 2 })
    const store = await open(at, engine)
    expect(await errorsOf(store)).toEqual([])
    await store.close()
  })
})

describe.runIf(process.env.KLOSET_SLOW_TESTS)('at full size', () => {
  it('1,000,000 files in one folder', { timeout: 1_800_000 }, async () => {
    const source = place()
    for (let i = 0; i < 1_000_000; i++) writeFileSync(`${source}/${i}`, i % 50 === 0 ? `${i}` : '')
    const [at, target] = [place(), place()]
    const store = await create(at, engine)
    expect((await store.backup(source)).totals.files).toBe(1_000_000)
    expect((await store.restore('latest', target)).failed).toEqual([])
    expect(seen(target).size).toBe(1_000_001)
    expect(existsSync(`${target}/999999`)).toBe(true)
    await store.close()
    // Takes longer than the time there is for cleaning up.
    execFileSync('rm', ['-rf', source, target])
  })
})
