import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { kloset, nobody, temporary } from './kloset.js'

const folder = temporary()
const store = join(folder, 'store')
const source = join(folder, 'source')
const plain = ['--no-encryption', '--no-cache']
const canMake =
  nobody !== undefined &&
  process.platform === 'linux' &&
  ['setfattr', 'getfattr', 'mknod'].every((program) => spawnSync(program, ['--version']).status === 0) &&
  (await import('koffi').then(
    () => true,
    () => false,
  ))

function makeSource(): void {
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'content')
  writeFileSync(join(source, 'zeros'), new Uint8Array(1_000_000))
  spawnSync('setfattr', ['-n', 'trusted.secret', '-v', 'x', join(source, 'file')])
  spawnSync('setfattr', ['-n', 'user.note', '-v', 'x', join(source, 'file')])
  spawnSync('mknod', [join(source, 'null'), 'c', '1', '3'])
  chownSync(join(source, 'file'), 1, 1)
  expect(kloset(['at', store, 'create', '--no-encryption']).code).toBe(0)
  expect(kloset(['at', store, 'backup', ...plain, source]).code).toBe(0)
  spawnSync('chmod', ['-R', 'a+rX', store])
}

describe.runIf(canMake)('what a file system keeps', () => {
  it('comes back; who is not root is told what did not, once, and it is no failure', () => {
    makeSource()
    const mine = join(folder, 'mine')
    mkdirSync(mine)
    chownSync(mine, nobody!, nobody!)
    const told = kloset(['at', store, 'restore', ...plain, '--to', mine, 'latest'], { uid: nobody! })
    expect(told.code).toBe(0)
    expect(told.stderr).toContain(
      '  not kept there: owner of 3 entries, 1 device, trusted.* attributes of 1 entry (run it as root to keep what only root may give)\n',
    )
    expect(readFileSync(join(mine, 'file'), 'utf8')).toBe('content')
    const json = kloset(['at', store, 'restore', ...plain, '--json', '--overwrite', 'always', '--to', mine, 'latest'], {
      uid: nobody!,
    })
    expect(json.json.at(-1)).toMatchObject({ type: 'summary', leftOut: { owner: 3, devices: 1, 'xattrs:trusted': 1 } })
  })

  it('and what of it is wanted can be said', () => {
    const attributes = (at: string): string =>
      spawnSync('getfattr', ['-d', '-m', '-', 'file'], { cwd: at, encoding: 'utf8' }).stdout
    const all = join(folder, 'all')
    expect(
      kloset(['at', store, 'restore', ...plain, '--to', all, '--sparse', '--numeric-owner', 'latest']),
    ).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(attributes(all)).toMatch(/trusted\.secret="x"\nuser\.note="x"/)
    expect(statSync(join(all, 'file'))).toMatchObject({ uid: 1, gid: 1 })
    expect(statSync(join(all, 'zeros')).blocks * 512).toBeLessThan(1_000_000)
    const less = join(folder, 'less')
    expect(
      kloset(['at', store, 'restore', ...plain, '--to', less, '--no-sparse', '--no-xattrs', 'latest']).stderr,
    ).toBe('')
    expect(attributes(less)).toBe('')
    expect(statSync(join(less, 'zeros')).blocks * 512).toBeGreaterThanOrEqual(1_000_000)
    expect(kloset(['at', store, 'backup', ...plain, '--no-xattrs', source]).code).toBe(0)
    const none = join(folder, 'none')
    expect(kloset(['at', store, 'restore', ...plain, '--to', none, 'latest']).code).toBe(0)
    expect(attributes(none)).toBe('')
  })
})
