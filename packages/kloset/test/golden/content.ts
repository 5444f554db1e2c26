import { type Bytes, concatBytes, utf8 } from '../../src/bytes/index.js'
import { type Source, sourceOf, type VirtualFile } from '../../src/connector/index.js'
import { noise } from '../support/samples.js'

/**
 * What the golden stores hold: two backups. It never changes: the stores were written from it, and later versions must give it back. A new
 * kind of content becomes a backup of its own, in new stores.
 */
export const backups: readonly {
  readonly name: string
  readonly tags: readonly string[]
  readonly sources: () => Source[]
}[] = [
  { name: 'first', tags: ['golden'], sources: () => [source('home', before), source('srv/rows', rows)] },
  { name: 'second', tags: ['golden', 'changed'], sources: () => [source('home', after), source('srv/rows', rows)] },
]

/** What a restore of a backup gives: by path in the snapshot, the entry and for files the content. */
export function expectedOf(
  backup: 0 | 1,
): ReadonlyMap<string, { readonly entry: VirtualFile; readonly bytes: Bytes | undefined }> {
  const expected = new Map<string, { entry: VirtualFile; bytes: Bytes | undefined }>()
  for (const [folder, list] of [
    ['home', backup === 0 ? before : after],
    ['rows', rows],
  ] as const) {
    for (const entry of list()) {
      if (entry.path === unreadable) continue
      const isFile = (entry.type ?? 'file') === 'file'
      expected.set(entry.path === '' ? folder : `${folder}/${entry.path}`, {
        entry,
        bytes: isFile ? bytesOf(entry) : undefined,
      })
    }
  }
  return expected
}

/** The file that could not be read when the backups were made. */
export const unreadable = 'secret/unreadable'

function source(root: string, list: () => readonly VirtualFile[]): Source {
  return sourceOf({ type: 'golden', origin: 'museum', root, access: 'random' }, list)
}

function bytesOf({ content }: VirtualFile): Bytes {
  return typeof content === 'string'
    ? utf8(content)
    : concatBytes((content as Uint8Array | undefined) ?? new Uint8Array(0))
}

const day = 1_700_000_000_000_000_000n
const owner = { uid: 1000, gid: 100, user: 'anna', group: 'users' }

/** Text that compresses, long enough for more than 16 chunks. */
function prose(lines: number, seed: number): string {
  const words = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta']
  const picks = noise(lines * 8, seed)
  return Array.from(
    { length: lines },
    (_, i) => `${i}: ${words.map((_, w) => words[picks[i * 8 + w]! % 8]).join(' ')}\n`,
  ).join('')
}

function before(): VirtualFile[] {
  return [
    { path: '', type: 'directory', mode: 0o755, mtime: day, owner },
    {
      path: 'readme.txt',
      content: 'The first version.\n',
      mode: 0o644,
      mtime: day,
      ctime: day + 5n,
      birthtime: day - 9n,
      owner,
    },
    ...steady(),
  ]
}

function after(): VirtualFile[] {
  const changed = { content: 'The second version.\n', mtime: day + 1_000_000_007n }
  return [
    ...before().map((file) => (file.path === 'readme.txt' ? { ...file, ...changed } : file)),
    { path: 'new/file', content: 'new', mtime: day },
  ]
}

function steady(): VirtualFile[] {
  const links = { device: 42n, number: 4711n, links: 2 }
  return [
    { path: 'empty', mtime: day, mode: 0o600 },
    { path: 'dir', type: 'directory', mode: 0o2775, mtime: day + 123_456_789n },
    { path: 'dir/hollow', type: 'directory', mode: 0o700 },
    { path: 'dir/deep/er/still/file', content: 'directories above were left out', mtime: day },
    { path: 'link', type: 'symlink', target: '../somewhere/else' },
    { path: 'dangling\udcff', type: 'symlink', target: 'to \udcfe nowhere' },
    { path: 'pipe', type: 'fifo', mode: 0o600 },
    { path: 'socket', type: 'socket' },
    { path: 'disk', type: 'block', device: { major: 8, minor: 1 } },
    { path: 'null', type: 'character', device: { major: 1, minor: 3 }, mode: 0o666 },
    { path: 'hard 1', content: 'two names', inode: links, mtime: day },
    { path: 'hard 2', content: 'two names', inode: links, mtime: day },
    { path: 'names/\u00e9 (one character)', content: 'NFC', mtime: day },
    { path: 'names/e\u0301 (two characters)', content: 'NFD', mtime: day },
    { path: 'names/日本語 \u{1f9ca}', content: 'beyond', mtime: day },
    { path: 'names/not \udce9 UTF-8 \udc80', content: 'bytes', mtime: day },
    { path: 'names/new\nline and\ttab "quotes" \\ back', content: 'odd', mtime: day },
    { path: `names/${'long'.repeat(63)}`, content: 'long', mtime: day },
    { path: 'order/a', type: 'directory' },
    { path: 'order/a!b', content: '2' },
    { path: 'order/a/b', content: '3' },
    { path: 'order/a0', content: '4' },
    {
      path: 'with attributes',
      content: 'x',
      xattrs: { 'user.note': utf8('a note'), 'user.raw': Uint8Array.of(0, 255) },
    },
    {
      path: 'of a service',
      content: '{}',
      version: 'etag-1',
      attributes: { 's3.content-type': 'application/json', 'x.é': '' },
    },
    { path: 'early', content: 'before 1970', mtime: -1n, ctime: -1_000_000_000n },
    { path: 'large.txt', content: prose(400, 1), mtime: day },
    { path: 'large.bin', content: noise(9_000, 2), mtime: day },
    { path: 'zeros', content: new Uint8Array(50_000), mtime: day },
    { path: unreadable, content: () => Promise.reject(new Error('permission denied')), size: 10, mtime: day },
  ]
}

/** Enough entries for a tree of several nodes. */
function rows(): VirtualFile[] {
  return Array.from({ length: 260 }, (_, i) => ({
    path: `table/${String(i).padStart(5, '0')}.json`,
    version: `v${i % 3}`,
    content: `{"id":${i % 20}}`,
    attributes: { 'golden.padding': 'p'.repeat(180) },
  }))
}
