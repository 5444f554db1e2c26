import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BackupEvent, BackupOptions, FilterRules, Snapshot, Store } from 'kloset'
import { pathFromBytes } from 'kloset/connector'
import { beforeAll, describe, expect, it } from 'vitest'
import { fsListSources, fsSource } from '../../dist/index.js'
import { isRoot } from '../places.js'
import { create, places, threads } from './tools.js'

const place = places()
const engine = threads()
let store: Store
beforeAll(async () => {
  store = await create(place(), engine)
})

/** Makes files with the given content, and folders, whose paths end in a slash. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = place()
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(path.endsWith('/') ? join(root, path) : dirname(join(root, path)), { recursive: true })
    if (!path.endsWith('/')) writeFileSync(join(root, path), content)
  }
  return root
}

async function pathsIn(snapshot: Snapshot | undefined): Promise<string[]> {
  const paths: string[] = []
  for await (const entry of snapshot!.walk()) if (entry.path !== '') paths.push(entry.path)
  return paths
}

interface Taken {
  readonly paths: readonly string[]
  /** `PATH: WHY`. */
  readonly excluded: readonly string[]
  readonly count: number
  readonly failed: readonly string[]
  readonly snapshot: Snapshot
}

async function backUp(
  from: Parameters<Store['backup']>[0],
  filter: FilterRules,
  more: BackupOptions = {},
): Promise<Taken> {
  const excluded: string[] = []
  const onEvent = (event: BackupEvent): void => {
    if (event.type === 'excluded') excluded.push(`${event.path}: ${reasonText(event.reason)}`)
  }
  const result = await store.backup(from, { parent: null, ...more, filter, entries: true, onEvent })
  return {
    paths: await pathsIn(result.snapshot),
    excluded: excluded.sort(),
    count: result.excluded,
    failed: result.failed.map(({ path, error }) => `${path}: ${(error as Error).message}`),
    snapshot: result.snapshot!,
  }
}

function reasonText(reason: Extract<BackupEvent, { type: 'excluded' }>['reason']): string {
  switch (reason.by) {
    case 'pattern':
      return `${reason.pattern}${reason.from === undefined ? '' : ` (${reason.from})`}`
    case 'size':
      return `size ${reason.size} > ${reason.most}`
    case 'file-system':
      return 'file system'
    default:
      return `${reason.by} ${reason.tag}`
  }
}

describe('patterns', () => {
  it('leave out what they match, and the last decides', async () => {
    const root = tree({ 'a.o': '', 'keep.o': '', 'build/x': '', 'src/build': '', 'src/a.c': '', 'src/a.o': '' })
    const { paths, excluded, count } = await backUp(root, {
      patterns: ['*.o', { pattern: '!keep.o', from: '--include' }, 'build/'],
    })
    expect(paths).toEqual(['keep.o', 'src', 'src/a.c', 'src/build'])
    expect(excluded).toEqual(['a.o: *.o', 'build: build/', 'src/a.o: *.o'])
    expect(count).toBe(3)
  })

  it('that start with the path of the source mean that path, others its root', async () => {
    const root = tree({ 'home/me/.cache/x': '', '.cache/y': '', 'me/.cache/z': '', 'you/.cache/z': '' })
    expect((await backUp(root, { patterns: [`${root}/.cache`] })).excluded).toEqual([`.cache: ${root}/.cache`])
    expect((await backUp(root, { patterns: [`${dirname(root)}/*/me/.cache/`] })).excluded).toHaveLength(1)
    expect((await backUp(root, { patterns: [`${dirname(root)}/**/.cache`] })).excluded).toHaveLength(4)
    expect((await backUp(root, { patterns: ['/.cache'] })).excluded).toEqual(['.cache: /.cache'])
    expect((await backUp(root, { patterns: ['/*', '!/me'] })).paths).toEqual(['me', 'me/.cache', 'me/.cache/z'])
    // The root itself is what was asked for.
    expect((await backUp(root, { patterns: [root, `${root}/`] })).count).toBe(0)
  })

  it('know any name, and case where they are told to', async () => {
    const root = tree({ 'two\nlines': '', 'tab\there': '', 'Thumbs.DB': '', ÄRGER: '', x: '' })
    const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0x80])])
    writeFileSync(odd, '')
    const name = pathFromBytes(Uint8Array.of(0x66, 0xff, 0x80))
    const patterns = [
      'two\nlines',
      'tab?here',
      'f??',
      ...['thumbs.db', 'ärg*'].map((pattern) => ({ pattern, ignoreCase: true })),
    ]
    const { paths, excluded } = await backUp(root, { patterns })
    expect(paths).toEqual(['x'])
    expect(excluded).toContain(`${name}: f??`)
    expect((await backUp(root, { patterns: [`f${name.slice(1)}`] })).excluded).toEqual([`${name}: ${name}`])
  })

  it('come from ignore files in any folder, inner ones and those that are given winning', async () => {
    const root = tree({
      '.klosetignore': '# what is made\r\n*.o\n\n!/keep.o\ntmp/   \n',
      'keep.o': '',
      'a.o': '',
      'tmp/x': '',
      'lib/.klosetignore': '!*.o\n/only-here\n',
      'lib/b.o': '',
      'lib/only-here': '',
      'lib/deep/only-here': '',
      given: '',
    })
    const { paths, excluded } = await backUp(root, { ignoreFiles: ['.klosetignore'], patterns: ['given', '!tmp/'] })
    expect(paths).toEqual([
      ...['.klosetignore', 'keep.o', 'lib', 'lib/.klosetignore', 'lib/b.o', 'lib/deep', 'lib/deep/only-here'],
      ...['tmp', 'tmp/x'],
    ])
    expect(excluded).toEqual([
      'a.o: *.o (.klosetignore:2)',
      'given: given',
      'lib/only-here: /only-here (lib/.klosetignore:2)',
    ])
    expect((await backUp(root, {})).count).toBe(0)
  })

  it('do not come from a link, and nothing waits for a FIFO', async () => {
    const root = tree({ rules: '*\n', 'in/.klosetignore/': '', 'in/x': '', 'fifo/y': '' })
    symlinkSync('rules', join(root, '.klosetignore'))
    execFileSync('mkfifo', [join(root, 'fifo/.klosetignore')])
    expect((await backUp(root, { ignoreFiles: ['.klosetignore'] })).count).toBe(0)
  })
})

describe('what folders hold', () => {
  const signature = 'Signature: 8a477f597d28d172789f06886806bc55'

  it('marks caches, whose folder and tag stay', async () => {
    const root = tree({
      'cache/CACHEDIR.TAG': `${signature}\n# made by a test`,
      'cache/deep/x': '',
      'cache/y': '',
      'none/CACHEDIR.TAG': signature.slice(0, -1),
      'none/x': '',
      'folder/CACHEDIR.TAG/x': '',
    })
    symlinkSync('../cache/CACHEDIR.TAG', join(root, 'folder/link'))
    mkdirSync(join(root, 'linked'))
    symlinkSync('../cache/CACHEDIR.TAG', join(root, 'linked/CACHEDIR.TAG'))
    const { paths, excluded } = await backUp(root, { excludeCaches: true })
    expect(excluded).toEqual(['cache/deep: cache cache/CACHEDIR.TAG', 'cache/y: cache cache/CACHEDIR.TAG'])
    expect(paths).toContain('cache/CACHEDIR.TAG')
  })

  it('leaves out folders that are marked by something in them', async () => {
    const root = tree({
      'a/.nobackup/': '',
      'a/x': '',
      'b/mark': 'no backups, please',
      'b/x': '',
      'c/mark': 'no',
      'c/x': '',
    })
    const rules = { excludeIfPresent: [{ name: '.nobackup' }, { name: 'mark', header: 'no b' }] }
    const { excluded } = await backUp(root, rules)
    expect(excluded).toEqual(['a/x: present a/.nobackup', 'b/x: present b/mark'])
  })

  it('may mark the source itself', async () => {
    const { paths } = await backUp(tree({ '.nobackup': '', x: '' }), { excludeIfPresent: [{ name: '.nobackup' }] })
    expect(paths).toEqual(['.nobackup'])
  })
})

it('large files are left out, except where they are the source', async () => {
  const root = tree({ small: 'x'.repeat(100), exact: 'x'.repeat(1000), large: 'x'.repeat(1001) })
  expect((await backUp(root, { excludeLargerThan: 1000 })).excluded).toEqual(['large: size 1001 > 1000'])
  expect((await backUp(join(root, 'large'), { excludeLargerThan: 1000, patterns: ['large'] })).paths).toEqual(['large'])
})

describe.runIf(isRoot && process.platform === 'linux' && mounts())('other file systems', () => {
  it('are left out, and the folders that they are mounted on stay', async () => {
    const root = tree({ 'a/mnt/': '', 'a/file': '', other: '', 'm/': '' })
    const mounted = [join(root, 'a/mnt'), join(root, 'm')]
    for (const folder of mounted) execFileSync('mount', ['-t', 'tmpfs', 'none', folder])
    try {
      writeFileSync(join(root, 'a/mnt/x'), '')
      const { paths, excluded, count } = await backUp(root, { oneFileSystem: true })
      expect(paths).toEqual(['a', 'a/file', 'a/mnt', 'm', 'other'])
      expect(excluded).toEqual(['a/mnt: file system', 'm: file system'])
      expect(count).toBe(2)
      expect((await backUp(root, {})).paths).toContain('a/mnt/x')
      // What is named is another matter.
      const listed = await fsListSources([join(root, 'a')], '/')
      expect((await backUp(listed, { oneFileSystem: true })).excluded).toHaveLength(1)
      const [inside] = await fsListSources([join(root, 'a/mnt'), join(root, 'other')], '/')
      expect((await backUp(inside!, { oneFileSystem: true })).excluded).toEqual([])
    } finally {
      for (const folder of mounted) execFileSync('umount', [folder])
    }
  })
})

describe('a list', () => {
  it('takes what it names, with all below it and the folders it is in, and leaves none of it out', async () => {
    const root = tree({
      'a/b/c': '1',
      'a/b/d.o': '',
      'a/e.o': '',
      'a/f': '',
      'dir/x': '',
      'dir/y.o': '',
      'dir/z.o': '',
      other: '',
    })
    const [source] = await fsListSources(
      ['a/b/d.o', 'a/e.o', './dir/', 'dir/y.o', `../${root.split('/').at(-1)}/other`],
      root,
    )
    const { paths, excluded, snapshot } = await backUp(source!, { patterns: ['*.o', 'a/', 'other'] })
    expect(source).toMatchObject({ type: 'fs-list', root })
    expect(paths).toEqual(['a', 'a/b', 'a/b/d.o', 'a/e.o', 'dir', 'dir/x', 'dir/y.o', 'other'])
    expect(excluded).toEqual(['dir/z.o: *.o'])
    expect((await snapshot.stat('a/b')).mode).toBe(0o755)
  })

  it('is of / where a path is absolute or leads away, so that it stays the same source', async () => {
    const root = tree({ 'a/x': '1', 'b/y': '2' })
    const [first] = await fsListSources([join(root, 'a/x')], root)
    expect(first!.root).toBe('/')
    const [other] = await fsListSources(['../elsewhere'], root)
    expect(other!.root).toBe('/')
    await store.backup(first!)
    const [longer] = await fsListSources([join(root, 'a/x'), join(root, 'b')], root)
    const { snapshot, changes } = await store.backup(longer!)
    expect(await pathsIn(snapshot)).toContain(`${root.slice(1)}/b/y`)
    expect(snapshot!.parent).toBeDefined()
    expect(changes.new + changes.unchanged + changes.changed).toBe(2)
  })

  it('tells what is not there, and goes through links to folders', async () => {
    const root = tree({ 'real/x': '', 'real/y': '', file: '' })
    symlinkSync('real', join(root, 'link'))
    const [source] = await fsListSources(['link/x', 'missing', 'gone/deep/er', 'file/below', 'real', 'real/not'], root)
    const { paths, failed } = await backUp(source!, {})
    expect(paths).toEqual(expect.arrayContaining(['link', 'link/x', 'real', 'real/x', 'real/y']))
    expect(paths).not.toContain('link/y')
    expect(failed.map((each) => each.split(':')[0]).sort()).toEqual(['file', 'gone', 'missing', 'real/not'])
  })

  it('may name the root', async () => {
    const root = tree({ 'a/x': '' })
    const [source] = await fsListSources(['.'], root)
    expect((await backUp(source!, {})).paths).toEqual(['a', 'a/x'])
    await expect(fsListSources([], root)).rejects.toThrow(TypeError)
  })
})

it('a filter that changes makes entries come and go, and nothing is read again', async () => {
  const files: Record<string, string> = {}
  for (let i = 0; i < 200; i++) files[`d${i % 7}/e${i % 5}/f${i}.${i % 3 ? 'c' : 'o'}`] = `content ${i}`
  const root = tree(files)
  const source = await fsSource(root)
  // Times have to be older than the backup for files to count as unchanged.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const all = Object.keys(files).length
  const objects = Object.keys(files).filter((path) => path.endsWith('.o')).length
  await store.backup(source)
  const without = await store.backup(source, { filter: { patterns: ['*.o', '/d3/'] } })
  const left = Object.keys(files).filter((path) => !path.endsWith('.o') && !path.startsWith('d3/')).length
  expect(without.changes).toEqual({ new: 0, changed: 0, unchanged: left })
  expect(objects).toBeGreaterThan(10)
  const whole = await store.backup(source)
  expect(whole.changes.unchanged + whole.changes.new).toBe(all)
  expect(whole.added.bytes).toBe(0)
  expect(await pathsIn(whole.snapshot)).toEqual((await backUp(source, {})).paths)
})

it('the snapshot records the rules, as many as fit', async () => {
  const root = tree({ x: '' })
  const filter: FilterRules = {
    patterns: ['*.o', { pattern: 'thumbs.db', ignoreCase: true, from: '--iexclude' }, '\udcff'],
    ignoreFiles: ['.klosetignore'],
    excludeCaches: true,
    excludeLargerThan: 5,
  }
  const { id } = (await backUp(root, filter)).snapshot
  const recorded = { ...filter, patterns: ['*.o', { pattern: 'thumbs.db', ignoreCase: true }, '\udcff'] }
  expect((await store.snapshot(id)).options).toEqual({ filter: recorded })
  const many = Array.from({ length: 3_000 }, (_, i) => `name ${i}`)
  const { options } = (await backUp(root, { patterns: many })).snapshot
  expect(options).toMatchObject({ filter: { morePatterns: expect.any(Number) } })
  expect((await backUp(root, {})).snapshot.options).toEqual({})
})

it('refuses what is no filter', async () => {
  const root = tree({ x: '' })
  await expect(store.backup(root, { filter: { excludeLargerThan: -1 } })).rejects.toThrow(RangeError)
  await expect(store.backup(root, { filter: { ignoreFiles: ['a/b'] } })).rejects.toThrow(TypeError)
  await expect(store.backup(root, { filter: { patterns: [5 as never] } })).rejects.toThrow(TypeError)
})

it('a hard link to a large file, a sparse file: their size is what counts', async () => {
  const root = tree({ a: '' })
  truncateSync(join(root, 'a'), 10_000_000)
  linkSync(join(root, 'a'), join(root, 'b'))
  expect((await backUp(root, { excludeLargerThan: 9_999_999 })).paths).toEqual([])
})

/** Whether this user may mount. */
function mounts(): boolean {
  const folder = place()
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'none', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
