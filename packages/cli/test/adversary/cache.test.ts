import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, temporary } from '../command/kloset.js'

// A cache or state on a disk that fails: whatever the system answers costs what is kept there, never the command.

/** What may be in the place of a file. `/proc/self/mem` can be opened, and gives EIO to whoever reads it. */
const replacements: Readonly<Record<string, (path: string) => void>> = {
  'a read error (EIO)': (path) => symlinkSync('/proc/self/mem', path),
  'a folder (EISDIR)': (path) => mkdirSync(path),
  'a link to itself (ELOOP)': (path) => symlinkSync(path, path),
  'a FIFO that nobody writes to': (path) => execFileSync('mkfifo', [path]),
}

describe.skipIf(process.platform !== 'linux')('below everything that this machine keeps there is', () => {
  const place = temporary()
  const source = join(place, 'source')
  const env = {
    HOME: join(place, 'home'),
    XDG_STATE_HOME: join(place, 'state'),
    KLOSET_PASSPHRASE: 'something',
    KLOSET_STORE: join(place, 'store'),
  }
  const run = (...args: string[]) => kloset(args, { env, cwd: place })

  beforeAll(() => {
    mkdirSync(source)
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `file-${i}`), `content ${i}`.repeat(1000))
    expect(run('create').code).toBe(0)
  })

  for (const [name, put] of Object.entries(replacements)) {
    for (const kept of [join(env.HOME, '.cache'), env.XDG_STATE_HOME]) {
      test(`${name}, in ${kept.includes('cache') ? 'the cache' : 'the state'}`, () => {
        rmSync(kept, { recursive: true, force: true })
        expect(run('backup', '-q', source).code).toBe(0)
        expect(run('ls', 'latest').code).toBe(0)
        const files = readdirSync(kept, { recursive: true }).map((each) => join(kept, String(each)))
        let replaced = 0
        for (const path of files.filter((each) => statSync(each).isFile())) {
          rmSync(path)
          put(path)
          replaced++
        }
        expect(replaced).toBeGreaterThan(0)
        const target = join(place, `restored-${Math.random()}`)
        const runs = [run('ls', 'latest'), run('restore', '--to', target, 'latest'), run('backup', source)]
        expect(runs.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0, 0])
        // What is empty or damaged is no news: it is read again, or not known.
        if (/ELOOP|EISDIR/.test(name))
          expect(runs.map(({ stderr }) => stderr).join('')).toMatch(/note: .*(cache|remembered)/)
        const [restored] = readdirSync(target, { recursive: true }).filter((each) => String(each).endsWith('file-7'))
        expect(readFileSync(join(target, String(restored)), 'utf8')).toBe('content 7'.repeat(1000))
        rmSync(kept, { recursive: true, force: true })
      }, 120_000)
    }
  }
})
