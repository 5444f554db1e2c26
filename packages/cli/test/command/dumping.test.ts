import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from './folders.js'
import { filesBelow, has, kloset, onTerminal, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const at = { env: { KLOSET_STORE: store }, cwd: folder }
const totals = { files: 3, directories: 2, others: 1, bytes: 300_007, errors: 0 }

beforeAll(() => {
  mkdirSync(join(source, 'sub folder'), { recursive: true })
  writeFileSync(join(source, 'file'), 'content')
  writeFileSync(join(source, 'sub folder', 'a'), noise(100_000, 1))
  writeFileSync(join(source, 'sub folder', 'b'), noise(200_000, 2))
  symlinkSync('file', join(source, 'link'))
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source], at)
})

describe('dump', () => {
  test('is a tar on stdout, and what is told goes to stderr', { skip: !has('tar') }, () => {
    const piped = shell('$kloset dump latest | tar -x -C "$(mktemp -d -p .)" && diff -r source tmp.*; rm -r tmp.*', at)
    expect(piped).toMatchObject({ code: 0, stdout: '' })
    expect(piped.stderr).toMatch(/^Dumped [0-9a-f]{8} {2}\(.*\)\n {2}3 files, 2 directories, 1 other, 293 KiB\n$/)
    expect(shell('$kloset dump -q "latest:sub folder" | tar -t', at)).toMatchObject({
      stdout: './\na\nb\n',
      stderr: '',
    })
  })

  test('goes to a file that is whole, in the format of its name', () => {
    const target = join(folder, 'all.tgz')
    const [summary] = kloset(['dump', 'latest', '--to', target, '--json'], at).json.filter(
      ({ type }) => type === 'summary',
    )
    expect(summary).toEqual({
      type: 'summary',
      snapshot: expect.stringMatching(/^[0-9a-f]{32}$/),
      path: '',
      format: 'tar.gz',
      target,
      failed: 0,
      totals,
      leftOut: {},
      duration: expect.any(Number),
    })
    expect(readFileSync(target).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]))
    expect(kloset(['dump', 'latest:file', '--to', 'one.zip', '-q'], at)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    })
    if (has('unzip')) expect(shell('unzip -p one.zip file', at).stdout).toBe('content')
  })

  test('refuses what makes no sense', { skip: !has('script') }, async () => {
    expect(kloset(['dump', 'latest', '--json'], at)).toMatchObject({ code: 2 })
    expect(kloset(['dump', 'latest', '--format', 'rar'], at)).toMatchObject({ code: 2 })
    expect(kloset(['dump', 'latest', '--to', source], at)).toMatchObject({ code: 1 })
    expect(kloset(['dump', 'latest:nothing', '--to', 'none.tar'], at)).toMatchObject({ code: 1 })
    expect((await onTerminal(['dump', 'latest'], [], at)).screen).toContain('nothing for a terminal')
  })

  test('of what is damaged says so, and leaves no half of a file', () => {
    const packs = Object.entries(filesBelow(store)).filter(([name]) => name.startsWith('packs/'))
    const [largest] = packs.sort(([, a], [, b]) => b - a)[0]!
    rmSync(join(store, largest))
    const partly = kloset(['dump', 'latest', '--to', 'partly.tar', '--json'], at)
    expect(partly.code).toBe(3)
    expect(partly.json.filter(({ type }) => type === 'failed').map(({ path }) => path)).toContain('sub folder/b')
    expect(existsSync(join(folder, 'partly.tar'))).toBe(true)
    rmSync(store, { recursive: true })
    expect(kloset(['dump', 'latest', '--to', 'none.tar'], at)).toMatchObject({ code: 10 })
    expect(readdirSync(folder).sort()).toEqual(['all.tgz', 'one.zip', 'partly.tar', 'source'])
  })
})
