import { type ChildProcess, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeFolder } from './folders.js'
import { command, finish, has, kloset, type Line, nobody, onTerminal, shell, start, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const place = join(folder, 'place')
const at = { env: { KLOSET_STORE: store } }

beforeAll(() => {
  makeFolder(source)
  mkdirSync(place)
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source], at)
})

/** The first line of `--json` of a command that goes on. */
function firstLine(child: ChildProcess): Promise<Line> {
  let text = ''
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (data) => {
      text += data
      if (text.includes('\n')) resolve(JSON.parse(text.split('\n')[0]!))
    })
    child.on('close', () => reject(new Error(`it ended: ${text}`)))
  })
}

describe('serve', () => {
  const withPassword = { env: { ...at.env, KLOSET_SERVE_PASSWORD: 'secret' } }

  test('serves until it is stopped, and tells requests', async () => {
    const child = start(['serve', '--webdav', '0', '--json', '-v'], withPassword)
    const rest = finish(child, /"type":"request"/, () => child.kill('SIGINT'))
    const listening = await firstLine(child)
    expect(listening).toEqual({
      type: 'listening',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/),
      user: 'kloset',
    })
    const authorization = `Basic ${Buffer.from('kloset:secret').toString('base64')}`
    const response = await fetch(`${listening.url}latest/hello.txt`, {
      headers: { authorization, connection: 'close' },
    })
    expect(await response.text()).toBe(readFileSync(join(source, 'hello.txt'), 'utf8'))
    const { code, json } = await rest
    expect(code).toBe(0)
    expect(json).toContainEqual({
      type: 'request',
      method: 'GET',
      path: '/latest/hello.txt',
      status: 200,
      bytes: expect.any(Number),
      address: '127.0.0.1',
      duration: expect.any(Number),
      cut: false,
    })
    expect(json).toContainEqual({ type: 'stopped', url: listening.url })
  })

  test('does not let everybody in unless that is said', () => {
    const { code, stderr } = kloset(['serve', '--webdav'], at)
    expect([code, stderr]).toEqual([2, expect.stringContaining('--no-auth')])
    expect(kloset(['serve', '--webdav'], { env: { ...at.env, KLOSET_SERVE_PASSWORD: '' } }).code).toBe(2)
  })

  test.runIf(has('script'))('makes a password up for a person, and shows it', async () => {
    const { screen } = await onTerminal(['serve', '--webdav', '0'], [[/password \S{20}\r\n/, '\x03']], at)
    expect(screen).toMatch(/Log in as kloset with the password [\w-]{20}\r\n/)
    expect(screen).toContain('Stopped.')
  })

  test.each([
    ['nothing to serve by', []],
    ['an address that is none', ['--webdav', 'a:b:c']],
    ['a port that is none', ['--webdav', '127.0.0.1:70000']],
    ['half of TLS', ['--webdav', '--tls-cert', 'x']],
    ['too much', ['--webdav', '0', 'more']],
    ['two minds', ['--webdav', '--no-auth', '--password-file', 'x']],
    ['a user with a colon', ['--webdav', '--user', 'a:b']],
  ])('refuses %s', (_, args) => {
    expect(kloset(['serve', ...args], withPassword).code).toBe(2)
  })

  test('says when it cannot listen', () => {
    const { code, stderr } = kloset(['serve', '--webdav', '192.0.2.1', '--no-auth'], at)
    expect([code, stderr]).toEqual([1, expect.stringContaining('no address 192.0.2.1')])
  })
})

/** Whether this machine lets a command mount anything: what it says is tried. */
const able = spawnSync('sh', ['-c', `[ -e /dev/fuse ] && unshare -m true`]).status === 0

describe.runIf(able)('mount', () => {
  test('shows the snapshots until it is stopped', async () => {
    const child = start(['mount', place, '--json'], at)
    const ended = finish(child, /"type":"mounted"/, () => {
      // Whoever looks, and the command that answers, are other processes.
      expect(spawnSync('diff', ['-r', '--no-dereference', source, join(place, 'latest/')]).status).toBe(0)
      child.kill('SIGTERM')
    })
    const { code, json } = await ended
    expect(code).toBe(0)
    expect(json).toEqual([
      { type: 'mounted', folder: place },
      { type: 'unmounted', folder: place },
    ])
  })

  test('after it was killed, says how to clean up', async () => {
    const child = start(['mount', place, '--json'], at)
    await finish(child, /"type":"mounted"/, () => child.kill('SIGKILL'))
    const { code, stderr } = kloset(['mount', place], at)
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Unmount it: umount -l ${place}`)])
    expect(spawnSync('umount', ['-l', place]).status).toBe(0)
  })

  test.runIf(nobody !== undefined && has('fusermount3') && has('setpriv'))('works for users who are not root', () => {
    // In a space of its own, where everybody may use the device, as on desktops.
    const inside = join(folder, 'nobody')
    const device = join(folder, 'fuse')
    mkdirSync(inside)
    const as = `setpriv --reuid=${nobody} --regid=${nobody} --clear-groups env HOME=${inside} XDG_STATE_HOME=${inside}`
    writeFileSync(
      join(folder, 'steps.sh'),
      `set -e
mknod ${device} c 10 229; chmod 666 ${device}; mount --bind ${device} /dev/fuse
mkdir ${inside}/place; chown -R ${nobody} ${inside}; chmod -R go+rX ${store}
${as} ${process.execPath} ${command} mount --no-encryption --no-cache ${inside}/place & pid=$!
i=0; until grep -q ' ${inside}/place ' /proc/self/mountinfo || [ $i -gt 200 ]; do sleep 0.1; i=$((i + 1)); done
${as} cat ${inside}/place/latest/hello.txt
kill -INT $pid; wait $pid; grep -q ' ${inside}/place ' /proc/self/mountinfo || echo unmounted
`,
    )
    const { stdout, stderr } = shell(`unshare -m sh ${join(folder, 'steps.sh')}`, at)
    expect([stdout, stderr]).toEqual([
      `${readFileSync(join(source, 'hello.txt'), 'utf8')}unmounted\n`,
      expect.stringContaining('Mounted'),
    ])
  })

  test('refuses folders that are not there or not empty', () => {
    expect(kloset(['mount', source], at)).toMatchObject({ code: 1, stderr: expect.stringContaining('is not empty') })
    expect(kloset(['mount', join(folder, 'nothing')], at).stderr).toContain('does not exist')
    expect(kloset(['mount'], at).code).toBe(2)
    expect(kloset(['mount', place, place], at).code).toBe(2)
    expect(existsSync(join(place, 'latest'))).toBe(false)
  })
})
