import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Filter } from '../../src/connector/index.js'
import { compileFilter, patternLines } from '../../src/filter/index.js'

// Names of few letters, so that patterns of the same letters match some of them.
const name = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[ab]{1,2}(\.[co])?$/) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'A',
      'é',
      '日本',
      '#a',
      '!a',
      'a b',
      'a ',
      '*',
      '?',
      '[a]',
      'a\\',
      '\\',
      'a\tb',
      '-',
      ']',
      '^',
    ),
  },
)
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))

const part = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', '.', 'c', 'o', 'a.c') },
  { weight: 4, arbitrary: fc.constantFrom('*', '?', '**') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '[ab]',
      '[!a]',
      '[^b]',
      '[a-c]',
      '[]a]',
      '[[:alpha:]]',
      '[[:foo:]]',
      '[a',
      '[!]a]',
      '[a-]',
      '[\\]a]',
      '[[:x]',
      '[a/b]',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'A',
      'é',
      '日本',
      '#',
      '!',
      ' ',
      '\\ ',
      '\\*',
      '\\?',
      '\\[',
      '\\',
      '\\a',
      '\t',
      '-',
      ']',
      '^',
      '\\/',
    ),
  },
)
const segment = fc.oneof(
  { weight: 4, arbitrary: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.constantFrom('**', '*', '***', '') },
)
const pattern = fc
  .tuple(
    fc.constantFrom('', '', '', '/', '!', '!/'),
    fc.array(segment, { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', '', '/'),
  )
  .map(([start, segments, end]) => start + segments.join('/') + end)

const tree = fc.record({
  paths: fc.array(path, { minLength: 1, maxLength: 8 }),
  // Each is in a folder above one of the paths, so many levels down.
  ignoreFiles: fc.array(
    fc.record({ above: fc.nat(), level: fc.nat(3), lines: fc.array(pattern, { minLength: 1, maxLength: 5 }) }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
})

test('leaves out what git ignores, by ignore files in any folder', () => {
  expectAsGit([], (paths, ignoreFiles) => {
    const files = new Map<string, string>()
    const folders = new Set([''])
    for (const each of paths) addFile(files, folders, each, '')
    for (const { above, level, lines } of ignoreFiles) {
      const folder = paths[above % paths.length]!.split('/').slice(0, -1).slice(0, level).join('/')
      if (folders.has(folder)) files.set(folder === '' ? '.gitignore' : `${folder}/.gitignore`, fileOf(paths, lines))
    }
    return { files, folders, filter: compileFilter({ ignoreFiles: ['.gitignore'] }) }
  })
})

test('leaves out what git ignores where case does not matter', () => {
  expectAsGit(['-c', 'core.ignorecase=true'], (paths, [{ lines }]) => {
    const files = new Map<string, string>()
    const folders = new Set([''])
    for (const each of paths) addFile(files, folders, each, '')
    const file = fileOf(paths, lines)
    files.set('.gitignore', file)
    const patterns = patternLines(new TextEncoder().encode(file), { from: '.gitignore', ignoreCase: true })
    return { files, folders, filter: compileFilter({ patterns }) }
  })
})

interface Case {
  readonly files: ReadonlyMap<string, string>
  readonly folders: ReadonlySet<string>
  readonly filter: Filter
}

/** Makes generated trees, all in one repository, and compares what their filters take with what git says. */
function expectAsGit(
  options: readonly string[],
  make: (
    paths: readonly string[],
    ignoreFiles: readonly [{ above: number; level: number; lines: readonly string[] }],
  ) => Case,
): void {
  const repository = mkdtempSync(join(tmpdir(), 'kloset-git-'))
  try {
    git(repository, ['init', '-q'])
    const taken = new Map<string, boolean>()
    const cases = new Map<string, Case>()
    for (const [number, { paths, ignoreFiles }] of fc.sample(tree, { numRuns: 150 }).entries()) {
      const each = make(paths, ignoreFiles as never)
      const root = join(repository, `tree${number}`)
      cases.set(`tree${number}`, each)
      for (const folder of each.folders) mkdirSync(join(root, folder), { recursive: true })
      for (const [file, content] of each.files) writeFileSync(join(root, file), content)
      for (const [entry, takes] of scan(each)) taken.set(`tree${number}/${entry}`, takes)
    }
    const judged = checkIgnore(repository, options, [...taken.keys()])
    expect(judged.length).toBe(taken.size)
    const wrong = judged.filter((each) => taken.get(each.path) === each.ignored)
    expect(wrong.map((each) => ({ ...each, files: cases.get(each.path.split('/')[0]!)?.files }))).toEqual([])
    // Both happen, or this says nothing.
    const ignored = judged.filter((each) => each.ignored).length
    expect(Math.min(ignored, judged.length - ignored)).toBeGreaterThan(judged.length / 20)
  } finally {
    rmSync(repository, { recursive: true, force: true })
  }
}

/** The lines that mean the same to git. */
function fileOf(paths: readonly string[], lines: readonly string[]): string {
  // For git `?` and `[…]` stand for a byte, here for a character.
  const wide = /[^\0-\x7f]/.test(paths.join() + lines.join())
  const same = lines.filter((line) => !(wide && /[?[]/.test(line)) && !afterName.test(line) && !line.includes('*\\/'))
  return same.map((line) => `${line}\n`).join('')
}

// For git `**\/` is not quite `**/`; and `a**/b` has a real `**`, because it takes the name before the first wildcard apart; gitignore(5) says that it is `a*/b`.
const afterName = /^!?[^*?[\\]*[^*?[\\/!]\*\*+(?:\\?\/|$)/

function addFile(files: Map<string, string>, folders: Set<string>, path: string, content: string): void {
  const segments = path.split('/')
  const above = segments.slice(1).map((_, at) => segments.slice(0, at + 1).join('/'))
  if (folders.has(path) || above.some((folder) => files.has(folder))) return
  for (const folder of above) folders.add(folder)
  files.set(path, content)
}

/** Whether each entry is taken, as a scan would ask; below what is left out, nothing is. */
function scan({ files, folders, filter }: Case): Map<string, boolean> {
  const found = new Map<string, boolean>()
  const all = [...folders, ...files.keys()].sort()
  const visit = (folder: string, lost: boolean): void => {
    const start = folder === '' ? '' : `${folder}/`
    const inside = all.filter(
      (path) => path !== '' && path.startsWith(start) && path.lastIndexOf('/') === start.length - 1,
    )
    const names = inside.map((path) => path.slice(start.length))
    if (!lost)
      for (const { name, length } of filter.inspector?.wants(folder, names) ?? [])
        filter.inspector?.show(folder, name, new TextEncoder().encode(files.get(start + name)!).subarray(0, length))
    for (const path of inside) {
      const isFolder = folders.has(path)
      const takes = !lost && filter.takes(path, isFolder ? 'directory' : 'file')
      found.set(path, takes)
      if (isFolder) visit(path, !takes)
    }
  }
  visit('', false)
  return found
}

interface Judged {
  readonly path: string
  readonly ignored: boolean
  readonly pattern: string
  readonly source: string
}

function checkIgnore(repository: string, options: readonly string[], paths: readonly string[]): Judged[] {
  const command = ['check-ignore', '--no-index', '--verbose', '--non-matching', '--stdin', '-z']
  const fields = git(repository, [...options, ...command], `${paths.join('\0')}\0`).split('\0')
  const judged: Judged[] = []
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [source, line, pattern, path] = fields.slice(at, at + 4) as [string, string, string, string]
    judged.push({ path, ignored: pattern !== '' && !pattern.startsWith('!'), pattern, source: `${source}:${line}` })
  }
  return judged
}

function git(folder: string, args: readonly string[], input = ''): string {
  const env = { PATH: process.env.PATH, HOME: folder }
  const { stdout, stderr, status } = spawnSync('git', args, { cwd: folder, input, maxBuffer: 2 ** 28, env })
  if (status !== 0 && status !== 1) throw new Error(stderr.toString())
  return stdout.toString()
}
