import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const at = { env: { KLOSET_STORE: join(folder, 'store') } }
/** Of the snapshots, oldest first. */
let ids: string[]

// A folder at three times.
beforeAll(() => {
  mkdirSync(join(source, 'etc/nginx'), { recursive: true })
  writeFileSync(join(source, 'etc/hosts'), 'one\n')
  writeFileSync(join(source, 'etc/nginx/nginx.conf'), 'user www;\n')
  writeFileSync(join(source, 'large.bin'), new Uint8Array(100_000))
  writeFileSync(Buffer.concat([Buffer.from(join(source, 'odd')), Buffer.from([0xff, 0x0a])]), 'odd')
  symlinkSync('hosts', join(source, 'etc/link'))
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source], at)
  writeFileSync(join(source, 'etc/hosts'), 'one\ntwo\n')
  kloset(['backup', source], at)
  writeFileSync(join(source, 'etc/Hosts.bak'), 'one\n')
  rmSync(join(source, 'large.bin'))
  kloset(['backup', source], at)
  ids = kloset(['ls', '--json'], at).json.map(({ id }) => String(id).slice(0, 8))
})

describe('find', () => {
  const found = (...args: string[]): string[] =>
    kloset(['find', ...args], at)
      .stdout.split('\n')
      .slice(0, -1)

  test('tells where what is, in the words that cat takes', () => {
    expect(found('hosts*', '-i')).toEqual([
      `${ids[0]}:etc/hosts`,
      `${ids[1]}:etc/hosts`,
      `${ids[2]}:etc/Hosts.bak`,
      `${ids[2]}:etc/hosts`,
    ])
    expect(found('-s', ids[0]!, 'nginx/*.conf')).toEqual([`${ids[0]}:etc/nginx/nginx.conf`])
    const odd = shell(`eval "$kloset cat $($kloset find -s latest 'odd*')"`, at)
    expect(odd).toMatchObject({ code: 0, stdout: 'odd' })
  })

  test('goes by kind, size and time', () => {
    expect(found('-t', 'l')).toEqual(ids.map((id) => `${id}:etc/link`))
    expect(found('--size', '+10k', '--size', '-1M')).toEqual([`${ids[0]}:large.bin`, `${ids[1]}:large.bin`])
    expect(found('--size', '8', '-s', 'latest')).toEqual([`${ids[2]}:etc/hosts`])
    expect(found('--older', '1d')).toEqual([])
    expect(found('--newer', '1d', '-t', 'd', '/**/nginx', '-s', 'latest')).toEqual([`${ids[2]}:etc/nginx`])
    const long = found('-l', '-s', 'latest', 'link')
    expect(long).toEqual([expect.stringMatching(new RegExp(`^lrwxrwxrwx .* ${ids[2]}:etc/link -> hosts$`))])
  })

  test('tells each version of a file once', () => {
    const lines = found('--versions', join(source, 'etc/hosts'))
    expect(lines[0]).toBe(join(source, 'etc/hosts'))
    expect(lines[1]).toMatch(new RegExp(`^ {2}-rw-r--r-- +4 .* 1 snapshot +${ids[0]} `))
    expect(lines[2]).toMatch(new RegExp(`^ {2}-rw-r--r-- +8 .* 2 snapshots +${ids[1]} .* to ${ids[2]} `))
    const revisions = kloset(['find', '--versions', '--json', 'hosts'], at).json
    expect(revisions).toMatchObject([
      { type: 'revision', path: 'etc/hosts', kind: 'file', size: 4, source: { type: 'fs', root: source } },
      { type: 'revision', path: 'etc/hosts', size: 8, snapshots: [expect.any(String), expect.any(String)] },
    ])
  })

  test('writes entries as ls does with --json, and says what it does not understand', () => {
    expect(kloset(['find', '--json', '-s', 'latest', 'hosts'], at).json).toEqual(
      kloset(['ls', '--json', 'latest:etc/hosts'], at).json,
    )
    expect(kloset(['find', 'nothing'], at)).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing was found.\n' })
    for (const wrong of [
      ['-t', 'q'],
      [''],
      ['--size', '+x'],
      ['--newer', 'soon'],
      ['-s', 'latest:etc', 'a'],
      ['[z-a]'],
    ]) {
      expect(kloset(['find', ...wrong], at)).toMatchObject({ code: 2 })
    }
  })
})
