// Absolute patterns may start with what the source is called: as it is given, where it really is, and what it stands for.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kloset, temporary } from './kloset.js'

const env = { KLOSET_PASSPHRASE: 'pw' }

/** A store, and a home folder with a cache to leave out, which a link leads to. */
function situation(): { at: readonly string[]; real: string; link: string } {
  const folder = temporary()
  const real = join(folder, 'real')
  mkdirSync(join(real, 'me', '.cache'), { recursive: true })
  writeFileSync(join(real, 'me', '.cache', 'x'), 'x')
  writeFileSync(join(real, 'me', 'kept'), 'kept')
  symlinkSync('real', join(folder, 'link'))
  const at = ['at', join(folder, 'store')]
  kloset([...at, 'create', '-q'], { env })
  return { at, real, link: join(folder, 'link') }
}

test.each<[string, (real: string, link: string) => readonly string[]]>([
  ['the path that is given', (real) => ['--exclude', `${real}/me/.cache`, real]],
  ['the link that is given', (_, link) => ['--exclude', `${link}/me/.cache`, link]],
  ['where a link leads', (real, link) => ['--exclude', `${real}/me/.cache`, link]],
  ['what it stands for', (real) => ['--exclude', '/home/me/.cache', '--as', '/home', real]],
  [
    'what it stands for, and with more',
    (real) => ['--exclude', '/home/*/.cache/', '--exclude', '/nowhere', '--as', '/home', real],
  ],
  [
    'where it is, though it stands for something else',
    (real) => ['--exclude', `${real}/me/.cache`, '--as', '/home', real],
  ],
])('%s', (_, args) => {
  const { at, real, link } = situation()
  const { code, stdout } = kloset([...at, 'backup', '--dry-run', '-v', ...args(real, link)], { env })
  expect(code).toBe(0)
  expect(stdout).toMatch(/excluded\s+me\/\.cache /)
  expect(stdout).toMatch(/new\s+me\/kept/)
  expect(stdout).not.toContain('.cache/x')
})
