import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kloset, shell, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const at = { env: { KLOSET_STORE: join(folder, 'store') }, cwd: folder }

beforeAll(() => {
  for (const path of ['cache', 'docs/deep', 'home/me']) mkdirSync(join(source, path), { recursive: true })
  for (const path of ['a.o', 'keep.o', 'README', 'docs/deep/x.swp', 'home/me/y', 'cache/z'])
    writeFileSync(join(source, path), path)
  writeFileSync(join(source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n')
  writeFileSync(join(source, 'docs/.klosetignore'), '# made by editors\n*.swp\n')
  writeFileSync(join(source, 'large'), Buffer.alloc(5000))
  writeFileSync(join(folder, 'patterns'), '\n*.o\n!keep.o\n')
  kloset(['create', '--no-encryption', '-q'], at)
})

describe('backup', () => {
  test('says of all that it leaves out why', () => {
    const rules = [
      '--exclude-file',
      'patterns',
      '--iexclude',
      'readme',
      '--exclude',
      join(source, 'home/me'),
      '--exclude-caches',
    ]
    const ran = kloset(['backup', '--dry-run', '-v', ...rules, '--exclude-larger-than', '4K', source], at)
    const lines = ran.stdout.split('\n').filter((line) => line.startsWith('excluded'))
    expect(lines.map((line) => line.replace(/ +/g, ' ')).sort()).toEqual([
      'excluded README (--iexclude readme)',
      'excluded a.o (*.o in patterns:2)',
      'excluded cache/z (a cache: cache/CACHEDIR.TAG)',
      'excluded docs/deep/x.swp (*.swp in docs/.klosetignore:2)',
      `excluded home/me (--exclude ${join(source, 'home/me')})`,
      'excluded large (4.9 KiB is more than 4.0 KiB)',
    ])
    expect(ran.stdout).toContain('excluded 6')
    expect(ran.stdout).toContain('keep.o')
  })

  test('tells programs, too, and the snapshot knows', () => {
    const { json } = kloset(['backup', '--json', '-v', '--exclude', '*.o', '--include', 'keep.o', source], at)
    expect(json).toContainEqual({
      type: 'excluded',
      path: 'a.o',
      kind: 'file',
      reason: { by: 'pattern', pattern: '*.o', from: '--exclude' },
    })
    expect(json.at(-1)).toMatchObject({ type: 'summary', excluded: 2 })
    const options = { filter: { patterns: ['*.o', '!keep.o'], ignoreFiles: ['.klosetignore'] } }
    expect(kloset(['ls', '--json'], at).json.at(-1)).toMatchObject({ options })
    const none = kloset(['backup', '--json', '--no-ignore-file', source], at).json.at(-1)
    expect(none).toMatchObject({ excluded: 0 })
  })

  test('saves what a list names', () => {
    const ran = shell('find source -name "*.o" -print0 | $kloset backup --json --files-from0 - --exclude "*"', at)
    expect(JSON.parse(ran.stdout.split('\n').at(-2)!)).toMatchObject({
      failed: 0,
      totals: { files: 2, directories: 2 },
    })
    writeFileSync(join(folder, 'list'), 'source/docs\nsource/gone\n')
    const partly = kloset(['backup', '--files-from', 'list'], at)
    expect(partly).toMatchObject({ code: 3, stderr: expect.stringContaining('source/gone was listed') })
  })

  test.each([
    [['backup'], 2, 'what is to be saved?'],
    [['backup', '--exclude', '', source], 2, '--exclude is given nothing'],
    [['backup', '--exclude-if-present', 'a/b', source], 2, 'a/b'],
    [['backup', '--exclude-larger-than', 'much', source], 2, 'much'],
    [['backup', '--exclude-file', 'none', source], 1, 'cannot read none'],
    [['backup', '--files-from', '/dev/null'], 1, 'is empty'],
  ])('refuses %j', (args, code, message) => {
    const ran = kloset(args, at)
    expect([ran.code, ran.stderr.includes(message)]).toEqual([code, true])
  })
})
