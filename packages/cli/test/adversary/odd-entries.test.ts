// A real file system with inode numbers from 2^63 on is backed up, and the command tells by name what of an entry could not be kept.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { kloset, start, temporary } from '../command/kloset.js'

const env = { KLOSET_PASSPHRASE: 'pw' }

function newStore(): readonly string[] {
  const at = ['at', join(temporary(), 'store')]
  expect(kloset([...at, 'create', '-q'], { env }).code).toBe(0)
  return at
}

const canMount = process.platform === 'linux' && process.geteuid?.() === 0 && existsSync('/dev/fuse')

test.runIf(canMount)('a mounted snapshot is backed up again, whatever the numbers of its inodes', async () => {
  const at = newStore()
  const source = temporary()
  for (let i = 0; i < 16; i++) writeFileSync(join(source, `f${i}`), `content ${i}`)
  expect(kloset([...at, 'backup', '-q', source], { env }).code).toBe(0)
  const mounted = join(temporary(), 'mounted')
  mkdirSync(mounted)
  const child = start([...at, 'mount', mounted], { env })
  const ended = once(child, 'close')
  try {
    for (let tries = 0; !existsSync(join(mounted, 'latest', 'f0')) && tries < 200; tries++) await wait(50)
    const latest = join(mounted, 'latest')
    const numbers = readdirSync(latest).map((name) => statSync(join(latest, name), { bigint: true }).ino)
    expect(numbers.some((number) => number < 0n)).toBe(true)
    const { code, json } = kloset([...newStore(), 'backup', '--json', `${latest}/`], { env })
    expect(code).toBe(0)
    expect(json.at(-1)).toMatchObject({ failed: 0, totals: { files: 16, errors: 0 } })
  } finally {
    child.kill('SIGINT')
    await ended
  }
})

test.runIf(existsSync('/dev/shm'))(
  'times and sizes beyond what is kept are told by name, also of a dry run and with --json',
  () => {
    const at = newStore()
    const source = mkdtempSync('/dev/shm/kloset-odd-')
    afterAll(() => rmSync(source, { recursive: true, force: true }))
    for (const name of ['good', 'huge', 'late']) writeFileSync(join(source, name), 'content')
    spawnSync('touch', ['-d', '2300-01-01', join(source, 'late')])
    spawnSync('truncate', ['-s', String(2 ** 53), join(source, 'huge')])
    for (const dryRun of [['--dry-run'], []]) {
      const { code, stderr } = kloset([...at, 'backup', ...dryRun, source], { env })
      expect(code).toBe(3)
      expect(stderr).toContain('huge: the entry cannot be kept')
      expect(stderr).toMatch(/warning: .*kept of late/)
      expect(stderr).not.toContain('unexpected')
    }
    const { json } = kloset([...at, 'backup', '--json', source], { env })
    expect(json).toContainEqual(expect.objectContaining({ type: 'failed', code: 'KLOSET_LIMIT' }))
    expect(json).toContainEqual(expect.objectContaining({ type: 'notice', code: 'time-moved' }))
    expect(kloset([...at, 'cat', 'latest:late'], { env }).stdout).toBe('content')
  },
)
