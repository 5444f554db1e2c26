import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const at = { env: { KLOSET_STORE: join(folder, 'store') } }
const labels = () => kloset(['ls', '--json'], at).json.map(({ name, tags }) => [name, tags])

beforeAll(() => {
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'content')
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source, '--tag', 'daily,db'], at)
  kloset(['backup', source, '--tag', 'daily'], at)
})

describe('tags', () => {
  test('are given and taken away', () => {
    const dry = kloset(['tag', 'add', 'keep,yearly', '--tag', 'db', '--dry-run'], at)
    expect(dry.stdout).toMatch(/^ {2}[0-9a-f]{8} .* daily db keep yearly\nDry run: would change 1 snapshot\.\n$/)
    expect(kloset(['tag', 'add', 'keep,yearly', '--tag', 'db'], at)).toMatchObject({ code: 0, stderr: '' })
    const removed = kloset(['tag', 'remove', 'daily,yearly', 'latest', 'latest~1', '--json'], at).json
    expect(removed.map(({ type, tags }) => [type, tags])).toEqual([
      ['snapshot', ['db', 'keep']],
      ['snapshot', []],
      ['summary', undefined],
    ])
    expect(removed[2]).toEqual({
      type: 'summary',
      dryRun: false,
      edited: [removed[0]!.id, removed[1]!.id],
      unchanged: [],
    })
    const again = kloset(['tag', 'set', 'db,keep', 'latest', 'latest~1'], at)
    expect(again.stdout).toMatch(/ db keep\nChanged 1 snapshot; 1 other had that already\.\n$/)
    expect(kloset(['tag', 'set', '', 'latest'], at)).toMatchObject({ code: 0 })
    expect(labels()).toEqual([
      [undefined, ['db', 'keep']],
      [undefined, []],
    ])
  })

  test('are refused where they could not be told apart', () => {
    for (const args of [
      ['tag', 'add', 'x'],
      ['tag', 'add', '', 'latest'],
      ['tag', 'add', 'a,', 'latest'],
      ['tag', 'add', 'a\nb', 'latest'],
      ['tag', 'give', 'x', 'latest'],
      ['tag', 'add', 'x', 'latest:file'],
      ['backup', source, '--tag', ' x'],
      ['backup', source, '--name', 'latest'],
    ])
      expect(kloset(args, at), args.join(' ')).toMatchObject({ code: 2 })
  })
})

describe('a name', () => {
  test('is given, stands for the snapshot, and is taken away', () => {
    const done = kloset(['rename', 'latest~1', 'before the move'], at)
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(/ \(before the move\) db keep\nChanged 1 snapshot\.\n$/)
    expect(kloset(['cat', 'before the move:file'], at).stdout).toBe('content')
    expect(kloset(['rename', '--clear', 'before the move'], at)).toMatchObject({ code: 0 })
    expect(kloset(['cat', 'before the move:file'], at)).toMatchObject({ code: 1 })
    for (const args of [['latest'], ['--clear', 'latest', 'x'], ['latest', 'two', 'words'], ['latest', 'latest~3']])
      expect(kloset(['rename', ...args], at), args.join(' ')).toMatchObject({ code: 2 })
    expect(labels()).toEqual([
      [undefined, ['db', 'keep']],
      [undefined, []],
    ])
  })
})
