import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const at = { env: { KLOSET_STORE: join(folder, 'store') } }
const listed = (...options: string[]) => kloset(['ls', '--json', ...options], at).json.map((line) => String(line.id))
const ids: string[] = []

beforeAll(() => {
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'content')
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source, '--host', 'here'], at)
  kloset(['backup', source, '--host', 'here', '--tag', 'b', '--name', 'weekly'], at)
  kloset(['backup', source, '--host', 'elsewhere', '--tag', 'a,b', '--tag', 'c', '--name', 'the last one'], at)
  ids.push(...listed())
})

describe('snapshots', () => {
  const newest = (...options: string[]) => kloset(['ls', '--json', ...options], at).json[0]?.snapshot

  test('are selected by what they are', () => {
    expect(listed('--tag', 'a,c')).toEqual([ids[2]])
    expect(listed('--tag', 'b')).toEqual(ids.slice(1))
    expect(listed('--name', 'weekly', '--host', 'elsewhere')).toEqual([])
    expect(kloset(['ls', '--tag', 'a,'], at)).toMatchObject({ code: 2 })
  })

  test('are named by what they are called', () => {
    expect(newest('the last one')).toBe(ids[2])
    expect(newest('weekly:file')).toBe(ids[1])
    expect(kloset(['cat', 'weekly:file'], at).stdout).toBe('content')
    const unknown = kloset(['ls', 'lastest'], at)
    expect(unknown).toMatchObject({ code: 1 })
    expect(unknown.stderr).toContain('no id starts with it, and none is called so')
  })

  test('are meant among those that are selected', () => {
    expect(newest('latest')).toBe(ids[2])
    expect(newest('latest', '--host', 'here')).toBe(ids[1])
    expect(newest('latest~1', '--host', 'here', '--path', source)).toBe(ids[0])
    expect(newest('latest', '--tag', 'b', '--since', '1h')).toBe(ids[2])
    expect(
      kloset(
        ['restore', '--to', join(folder, 'restored'), '--json', 'latest', '--tag', 'b', '--host', 'here'],
        at,
      ).json.at(-1),
    ).toMatchObject({ snapshot: ids[1] })
    expect(kloset(['check', '--json', '--host', 'elsewhere'], at).json.at(-1)).toMatchObject({
      snapshots: [ids[2]],
      errors: 0,
    })
    // Nothing that was looked at must not pass for nothing that is damaged.
    expect(kloset(['check', '--host', 'nobody'], at)).toMatchObject({ code: 1 })
  })

  test('are forgotten as they are selected, and never all of them for want of a word', () => {
    expect(kloset(['forget'], at)).toMatchObject({ code: 2 })
    expect(kloset(['forget', ids[0]!, '--host', 'elsewhere'], at)).toMatchObject({ code: 1 })
    const none = kloset(['forget', '--host', 'nobody'], at)
    expect(none).toMatchObject({ code: 0, stdout: 'Forgot 0 snapshots.\n', stderr: 'No snapshot is like that.\n' })
    expect(kloset(['forget', '--dry-run', '--tag', 'b'], at).stdout).toContain('would forget 2 snapshots')
    expect(listed()).toEqual(ids)
    expect(kloset(['forget', '--json', '--tag', 'b,c'], at).json.at(-1)).toMatchObject({ forgotten: [ids[2]] })
    expect(listed()).toEqual(ids.slice(0, 2))
  })
})
