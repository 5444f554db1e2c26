import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from './folders.js'
import { filesBelow, kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const at = { env: { KLOSET_STORE: store } }
const ids: string[] = []

const packs = () => Object.keys(filesBelow(store)).filter((name) => name.startsWith('packs/')).length
const listed = (...options: string[]) => kloset(['ls', '--json', ...options], at).json.map((line) => line.id)

beforeAll(() => {
  mkdirSync(source)
  kloset(['create', '--no-encryption'], at)
  for (const seed of [1, 2, 3]) {
    writeFileSync(join(source, 'file'), noise(2_000_000, seed))
    kloset(['backup', source], at)
  }
  ids.push(...listed().map(String))
})

describe('snapshots that are forgotten', () => {
  const first = () => ids[0]!.slice(0, 8)

  test('are told before and after, and not in a dry run', () => {
    const dry = kloset(['forget', '--dry-run', first()], at)
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toMatch(new RegExp(`^  ${first()}  .*${source}\nDry run: would forget 1 snapshot\\.\n$`))
    expect(listed()).toEqual(ids)
    const done = kloset(['forget', first()], at)
    expect(done.stdout).toMatch(new RegExp(`^  ${first()}  .*\nForgot 1 snapshot\\.\n$`))
    expect(done.stderr).toContain(`kloset undelete ${first()}`)
    expect(listed()).toEqual(ids.slice(1))
    expect(listed('--forgotten')).toEqual([ids[0]])
  })

  test('come back', () => {
    expect(kloset(['undelete', '--dry-run', first()], at).stdout).toContain('would bring back 1 snapshot')
    expect(kloset(['undelete', first()], at).stdout).toMatch(/Brought back 1 snapshot\.\n$/)
    expect(listed()).toEqual(ids)
    const none = kloset(['ls', '--forgotten'], at)
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing was forgotten.\n' })
  })

  test('are named as everywhere', () => {
    expect(kloset(['forget', 'ffffffff'], at)).toMatchObject({ code: 1 })
    expect(kloset(['forget', 'latest:file'], at)).toMatchObject({ code: 2 })
    expect(kloset(['forget'], at)).toMatchObject({ code: 2 })
    expect(kloset(['ls', '--forgotten', '--tag', 'x'], at)).toMatchObject({ code: 2 })
  })

  test('--json', () => {
    const [snapshot, summary] = kloset(['forget', '--json', 'latest'], at).json
    expect(snapshot).toMatchObject({ type: 'snapshot', id: ids[2] })
    expect(summary).toEqual({ type: 'summary', dryRun: false, forgotten: [ids[2]] })
    expect(kloset(['undelete', '--json', '--dry-run', ids[2]!], at).json).toMatchObject([
      { type: 'snapshot', id: ids[2] },
      { type: 'summary', dryRun: true, undeleted: [ids[2]] },
    ])
  })
})

describe('prune', () => {
  const numbers = { packs: expect.any(Number), bytes: expect.any(Number) }

  test('condemns first, and says when it will delete', () => {
    const before = packs()
    const dry = kloset(['prune', '--dry-run'], at)
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toMatch(/^Dry run: nothing would be freed\..*\n {2}would be condemned: \d+ packs? of /)
    const done = kloset(['prune'], at)
    expect(done.stderr).toMatch(/^Going to condemn \d+ packs? of .*\.\n$/)
    expect(done.stdout).toMatch(/^Nothing was freed\..*\n {2}condemned: \d+ packs? of /)
    expect(done.stdout).toMatch(/ {2}waiting: \d+ packs? of .* after \d{4}-.*; at once: kloset prune --delay 0\n/)
    expect(packs()).toBe(before)
    // Until it is deleted, it can be brought back.
    expect(kloset(['undelete', ids[2]!], at)).toMatchObject({ code: 0 })
    expect(kloset(['check', '--read-data'], at)).toMatchObject({ code: 0 })
    expect(kloset(['forget', ids[2]!], at)).toMatchObject({ code: 0 })
  })

  test('deletes at once when it is told to', () => {
    const before = packs()
    kloset(['prune', '--quiet'], at)
    const done = kloset(['prune', '--delay', '0'], at)
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(/^Freed 1\.9 MiB: \d+ packs? of 1\.9 MiB deleted {2}\(/)
    expect(packs()).toBeLessThan(before)
    expect(kloset(['check', '--read-data'], at)).toMatchObject({ code: 0 })
    const gone = kloset(['undelete', '--json', ids[2]!], at)
    expect(gone).toMatchObject({ code: 1, json: [{ type: 'error', code: expect.stringMatching(/^KLOSET_SNAPSHOT_/) }] })
    expect(listed()).toEqual(ids.slice(0, 2))
  })

  test('--json', () => {
    kloset(['forget', ids[1]!], at)
    expect(kloset(['prune', '--json', '--delay', '1h'], at).json.filter((line) => line.type === 'summary')).toEqual([
      {
        type: 'summary',
        dryRun: false,
        purged: { packs: 0, bytes: 0 },
        condemned: numbers,
        waiting: { ...numbers, until: expect.stringMatching(/^\d{4}-.*Z$/) },
        suspects: { packs: 0, bytes: 0 },
        kept: numbers,
        unused: expect.any(Number),
        segments: expect.any(Number),
        duration: expect.any(Number),
      },
    ])
    expect(kloset(['prune', '--delay', 'soon'], at)).toMatchObject({ code: 2 })
  })
})
