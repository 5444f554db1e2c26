import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { Entry, Source } from 'kloset/connector'
import { afterAll, describe, expect, test } from 'vitest'
import { commandSource } from '../src/command.js'
import { stdinSource } from '../src/streams.js'
import { scanned, signal } from './places.js'

const folder = mkdtempSync(join(tmpdir(), 'kloset-command-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** All that the one file of a source holds. */
async function output(source: Source, how = signal): Promise<string> {
  const [entry] = (await scanned(source)) as Entry[]
  let text = ''
  for await (const bytes of source.read(entry!, { signal: how, range: undefined })) text += Buffer.from(bytes)
  return text
}

const shell = (line: string, onMessage?: (line: string) => void): Source =>
  commandSource(['sh', '-c', line], { onMessage })

/** Waits until something is so. */
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries++) {
    if (tries > 500) throw new Error('it never came to be')
    await wait(20)
  }
}

const runs = (pid: string): boolean => spawnSync('kill', ['-0', pid]).status === 0

describe('the output of a command', () => {
  test('is one file of this machine, private to who runs it', async () => {
    const source = shell('printf hello')
    expect(source).toMatchObject({ type: 'stream', origin: hostname(), root: 'sh.out' })
    expect(await scanned(source)).toMatchObject([{ path: 'sh.out', type: 'file', mode: 0o600 }])
    if (process.geteuid) expect(await scanned(source)).toMatchObject([{ owner: { uid: process.geteuid() } }])
    expect(await output(source)).toBe('hello')
    await source.close()
  })

  test('is of a program with just these arguments, in its own environment and folder', async () => {
    const source = commandSource(['printf', '%s|', 'a b', '$HOME', '*', ''], { name: 'x/y' })
    expect(source.root).toBe('x/y')
    expect(await output(source)).toBe('a b|$HOME|*||')
    const env = { PATH: process.env.PATH, COLOR: 'blue' }
    expect(await output(commandSource(['sh', '-c', 'echo $COLOR; pwd'], { cwd: '/', env }))).toBe('blue\n/\n')
  })

  test.each([
    ['an exit code', 'echo part; exit 7', 'sh ended with exit code 7', { exitCode: 7 }],
    [
      'an exit code after its output was closed',
      'echo part; exec 1>&-; sleep 0.3; exit 8',
      'exit code 8',
      { exitCode: 8 },
    ],
    ['a signal', 'echo part; kill -9 $$', 'sh was ended by SIGKILL', { signal: 'SIGKILL' }],
    ['its last words', 'echo why >&2; echo really >&2; exit 1', 'exit code 1: really', { messages: 'why\nreally' }],
  ])('does not count when it ends with %s', async (_, line, message, context) => {
    await expect(output(shell(line))).rejects.toMatchObject({
      code: 'KLOSET_COMMAND_FAILED',
      message: expect.stringContaining(message),
      context: { command: 'sh', ...context },
    })
  })

  test('does not count when the program is not there, or is none', async () => {
    for (const program of ['no-such-program', '/etc/passwd'])
      await expect(output(commandSource([program]))).rejects.toMatchObject({
        code: 'KLOSET_COMMAND_FAILED',
        message: expect.stringContaining('could not be started'),
      })
    expect(() => commandSource([])).toThrow(TypeError)
  })

  test('comes with what it writes to stderr, line by line', async () => {
    const lines: string[] = []
    const source = shell('printf "one\\ntw" >&2; sleep 0.1; printf "o\\r\\n50%%\\r99%%\\rlast" >&2; echo out', (line) =>
      lines.push(line),
    )
    expect(await output(source)).toBe('out\n')
    expect(lines).toEqual(['one', 'two', '50%', '99%', 'last'])
  })

  test('does not wait for what the command left running', async () => {
    const pid = join(folder, 'left.pid')
    expect(await output(shell(`sleep 30 >/dev/null & echo $! > ${pid}; echo done`))).toBe('done\n')
    spawnSync('kill', [readFileSync(pid, 'utf8').trim()])
  })

  test('waits where nobody takes it', async () => {
    const count = join(folder, 'written')
    const source = shell(`for i in 1 2 3 4; do head -c 1000000 /dev/zero; echo $i > ${count}; done`)
    const reading = source.read({ path: 'sh.out', type: 'file' }, { signal, range: undefined })[Symbol.asyncIterator]()
    await reading.next()
    await wait(300)
    expect(existsSync(count)).toBe(false)
    let size = 0
    for (let next = await reading.next(); !next.done; next = await reading.next()) size += next.value.length
    expect(size).toBeGreaterThan(3_900_000)
    expect(readFileSync(count, 'utf8')).toBe('4\n')
  })

  test.each(['', 'trap "" TERM; '])(
    'ends with the backup that is aborted, also where it would not (%s)',
    async (trap) => {
      const pid = join(folder, `aborted-${trap.length}.pid`)
      const controller = new AbortController()
      const source = shell(`${trap}echo $$ > ${pid}.new; mv ${pid}.new ${pid}; echo start; while :; do sleep 0.1; done`)
      const reading = output(source, controller.signal)
      reading.catch(() => undefined)
      await until(() => existsSync(pid))
      controller.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      await source.close()
      expect(runs(readFileSync(pid, 'utf8').trim())).toBe(false)
    },
    20_000,
  )
})

test('standard input is one file, and an error of it is one of the backup', async () => {
  const source = stdinSource('in', Readable.from([Buffer.from('some'), Buffer.from('thing')]))
  expect(await output(source)).toBe('something')
  const broken = stdinSource(
    'in',
    Readable.from(
      (async function* () {
        yield Buffer.from('some')
        throw new Error('EIO: i/o error, read')
      })(),
    ),
  )
  await expect(output(broken)).rejects.toMatchObject({
    code: 'KLOSET_CONNECTOR',
    message: expect.stringContaining('EIO'),
  })
  for await (const batch of stdinSource().scan({ signal, filter: { takes: () => false }, under: '' }))
    expect(batch).toMatchObject([{ path: 'stdin' }])
})
