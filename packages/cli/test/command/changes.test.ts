import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { linkSync, mkdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { finish, kloset, type Line, type Ran, shell, start, temporary } from './kloset.js'

function newStore(): { readonly folder: string; readonly at: readonly string[] } {
  const folder = temporary()
  const at = ['at', join(folder, 'store')]
  expect(kloset([...at, 'create', '--no-encryption']).code).toBe(0)
  return { folder, at }
}

function summaryOf(ran: Ran): Line {
  expect(ran.stderr).toBe('')
  return ran.json.find(({ type }) => type === 'summary')!
}

const snapshots = (at: readonly string[]): readonly Line[] => kloset([...at, 'ls', '--json']).json

test('a folder that is mounted elsewhere keeps its history, and so does a copy that is made anew', () => {
  const { folder, at } = newStore()
  const [home, moved, copied, restored] = ['home', 'moved', 'copied', 'restored'].map((name) => join(folder, name)) as [
    ...[string, string, string, string],
  ]
  mkdirSync(join(home, 'sub folder'), { recursive: true })
  for (const name of ['a', 'b', 'sub folder/c']) writeFileSync(join(home, name), name)
  linkSync(join(home, 'a'), join(home, 'hard'))
  // Long enough ago for its times to tell; the ctime is now, so one backup more is needed.
  for (const name of ['a', 'b', 'sub folder/c']) utimesSync(join(home, name), 1e9 + 0.5, 1e9 + 0.5)
  const first = summaryOf(kloset([...at, 'backup', '--json', home]))
  spawnSync('sleep', ['0.1'])
  summaryOf(kloset([...at, 'backup', '--json', home]))
  renameSync(home, moved)
  const second = summaryOf(kloset([...at, 'backup', '--json', '--as', home, moved]))
  expect(second.changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
  expect(second.snapshot).toMatchObject({ sources: [{ root: home }], options: { readFrom: [moved] } })

  expect(spawnSync('cp', ['-a', moved, copied]).status).toBe(0)
  const strict = summaryOf(kloset([...at, 'backup', '--json', '--dry-run', '--as', home, copied]))
  expect(strict.changes).toEqual({ new: 0, changed: 4, unchanged: 0 })
  const ignoring = ['--ignore-ctime', '--ignore-inode', '--as', `${home}/`]
  const third = summaryOf(kloset([...at, 'backup', '--json', ...ignoring, copied]))
  expect(third.changes).toEqual({ new: 0, changed: 0, unchanged: 4 })
  expect(third.snapshot).toMatchObject({ options: { compare: { ctime: false, inode: false }, readFrom: [copied] } })

  expect(snapshots(at).map(({ sources }) => (sources as { root: string }[])[0]!.root)).toEqual([home, home, home, home])
  expect(kloset([...at, 'cat', `latest:${home}/sub folder/c`]).stdout).toBe('sub folder/c')
  expect(kloset([...at, 'restore', '--to', restored, 'latest']).code).toBe(0)
  expect(statSync(join(restored, 'hard')).ino).toBe(statSync(join(restored, 'a')).ino)
  expect(first.unchangedSince).toBeUndefined()

  for (const [args, why] of [
    [['--as', 'home', moved], 'not an absolute path'],
    [['--as', '/a', moved, copied], 'given once for 2 sources'],
    [['--as', '/a', '--as', '/b', moved], 'given 2 times for 1 source'],
  ] as const)
    expect(kloset([...at, 'backup', ...args])).toMatchObject({ code: 2, stderr: expect.stringContaining(why) })
})

test('--skip-if-unchanged makes no snapshot of what the last one holds', () => {
  const { folder, at } = newStore()
  const data = join(folder, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'file'), 'content')
  const backup = [...at, 'backup', '--skip-if-unchanged', data]
  const first = summaryOf(kloset([...backup, '--json'])).snapshot as { id: string }
  const second = summaryOf(kloset([...backup, '--json', '--force']))
  expect(second).toMatchObject({ unchangedSince: first.id, failed: 0 })
  expect(second.snapshot).toBeUndefined()
  expect(kloset(backup)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`No snapshot of ${data} was needed: ${first.id.slice(0, 8)} holds just the same`),
  })
  expect(snapshots(at)).toHaveLength(1)
  writeFileSync(join(data, 'file'), 'other')
  expect(summaryOf(kloset([...backup, '--json'])).snapshot).toBeDefined()
})

test('standard input is saved under its name, and an empty one is told', () => {
  const { at } = newStore()
  const store = at[1]!
  const saved = shell(`seq 1 50000 | $kloset at ${store} backup --json --stdin-name 'db/a dump.sql' -`)
  expect(saved.code).toBe(0)
  expect(saved.json.at(-1)).toMatchObject({ snapshot: { sources: [{ type: 'stream', root: 'db/a dump.sql' }] } })
  expect(shell(`$kloset at ${store} cat 'latest:db/a dump.sql' | cmp - <(seq 1 50000)`).code).toBe(0)
  expect(shell(`$kloset at ${store} backup -q - </dev/null`)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('nothing came for stdin'),
  })
  for (const [line, why] of [
    ['backup - . </dev/null', 'saved alone'],
    ['backup - </etc', 'is a folder'],
    ['backup --stdin-name x .', 'without a stream'],
    ['backup --stdin-name ../x - </dev/null', 'cannot be called'],
    ['backup --as /x - </dev/null', '--as is about folders'],
  ] as const)
    expect(shell(`$kloset at ${store} ${line}`)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) })
})

test('the output of a command is saved where it ends well, and nothing is committed where it does not', () => {
  const { at } = newStore()
  const good = kloset([
    ...at,
    'backup',
    '--from-command',
    '--tag',
    'db',
    '--',
    'sh',
    '-c',
    'echo "$1"; echo hm >&2',
    'sh',
    '-h --json',
  ])
  expect(good).toMatchObject({ code: 0, stderr: 'hm\n', stdout: expect.stringContaining('of sh.out') })
  expect(kloset([...at, 'cat', 'latest:sh.out']).stdout).toBe('-h --json\n')
  const named = ['--from-command', '--stdin-name', 'db.sql', '--']
  const failing = kloset([...at, 'backup', '--json', ...named, 'sh', '-c', 'echo part; echo why >&2; exit 3'])
  expect(failing).toMatchObject({ code: 1, stderr: expect.stringMatching(/^why\n/) })
  expect(failing.json.at(-1)).toMatchObject({
    type: 'error',
    code: 'KLOSET_COMMAND_FAILED',
    context: { command: 'sh', exitCode: 3, messages: 'why' },
  })
  expect(kloset([...at, 'backup', ...named, 'no-such-program']).code).toBe(1)
  expect(kloset([...at, 'backup', '--from-command'])).toMatchObject({ code: 2 })
  expect(kloset([...at, 'backup', '--from-command', 'true'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('without a command'),
  })
  expect(kloset([...at, 'backup', '--from-command', '/etc', '--', 'true'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('saved alone'),
  })
  expect(snapshots(at)).toHaveLength(1)
})

test('Ctrl-C stops the command, and nothing is committed', async () => {
  const { folder, at } = newStore()
  const pid = join(folder, 'pid')
  const child = start([
    ...at,
    'backup',
    '--from-command',
    '--',
    'sh',
    '-c',
    `echo $$ > ${pid}; echo up >&2; exec sleep 60`,
  ])
  const ran = await finish(child, /up/, () => child.kill('SIGINT'))
  expect(ran.code).toBe(130)
  expect(spawnSync('kill', ['-0', readFileSync(pid, 'utf8').trim()]).status).not.toBe(0)
  expect(snapshots(at)).toEqual([])
})

test.runIf(process.platform === 'linux')(
  'a stream of 200 MB takes no more memory than one of 60 MB',
  async () => {
    const { at } = newStore()
    const child = start([...at, 'backup', '--json', '--compression', 'none', '-'])
    let stdout = ''
    child.stdout!.on('data', (data) => {
      stdout += data
    })
    const peak = (): number =>
      Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024
    const send = async (megabytes: number): Promise<number> => {
      for (let i = 0; i < megabytes; i++)
        if (!child.stdin!.write(randomBytes(1_000_000))) await once(child.stdin!, 'drain')
      return peak()
    }
    const early = await send(60)
    const late = await send(140)
    const ended = once(child, 'close')
    child.stdin!.end()
    expect(await ended).toEqual([0, null])
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ totals: { bytes: 200_000_000 } })
    expect(late - early).toBeLessThan(60)
  },
  60_000,
)
