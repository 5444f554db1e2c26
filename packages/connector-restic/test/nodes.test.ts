import { expect, test } from 'vitest'
import { entryOf, idsIn, listingOf } from '../src/nodes.js'

const id = 'a'.repeat(64)
const treeOf = (...nodes: string[]): Uint8Array => new TextEncoder().encode(`{"nodes":[${nodes.join(',')}]}`)
const entryIn = (node: string) =>
  entryOf(listingOf(treeOf(node), id, 'folder').children[0]!, (ids) => (ids.length === 0 ? undefined : 5 * ids.length))

test('a file with all that restic tells of it', () => {
  const parts = ['b'.repeat(64), 'c'.repeat(64)]
  const node = `{"name":"caf\\\\xe9","type":"file","mode":420,"mtime":"2026-11-26T12:14:30.20684287+01:00",
    "ctime":"2026-11-26T11:14:30Z","atime":"2026-11-26T11:14:30Z","uid":1000,"gid":100,"user":"ada","group":"users",
    "inode":18446744073709551615,"device_id":65024,"size":7,"links":2,"content":${JSON.stringify(parts)},
    "extended_attributes":[{"name":"user.note","value":"aGVsbG8="},{"name":"user.empty","value":null}],
    "generic_attributes":{"windows.file_attributes":32}}`
  const entry = entryIn(node)
  expect(entry).toMatchObject({
    path: 'folder/caf\udce9',
    type: 'file',
    mode: 0o644,
    mtime: 1_795_691_670_206_842_870n,
    owner: { uid: 1000, gid: 100, user: 'ada', group: 'users' },
    // Beyond what a number holds.
    inode: { number: 2n ** 64n - 1n, device: 65024n, links: 2 },
    // Of its parts: old versions told what the file had before it was read.
    size: 10,
    xattrs: { 'user.note': new TextEncoder().encode('hello'), 'user.empty': new Uint8Array() },
    attributes: { 'windows.file_attributes': '32' },
  })
  expect(idsIn(entry)).toEqual(parts)
})

test('other things', () => {
  expect(entryIn('{"name":"l","type":"symlink","linktarget":"x�","linktarget_raw":"eP8="}')).toMatchObject({
    type: 'symlink',
    target: 'x\udcff',
  })
  expect(entryIn('{"name":"d","type":"chardev","device":1324}')).toMatchObject({
    type: 'character',
    device: { major: 5, minor: 44 },
  })
  expect(entryIn('{"name":"e","type":"file","content":null}')).toMatchObject({ size: 0, mtime: undefined })
  expect(entryIn('{"name":"t","type":"fifo","mtime":"0001-01-01T00:00:00Z"}')).toMatchObject({ mtime: undefined })
  expect(() => entryIn('{"name":"i","type":"irregular"}')).toThrow('restic calls it a "irregular"')
})

test('a directory of another order, with names twice and names that none can have', () => {
  const names = ['b', 'a-b', '..', 'a', '', 'x/y', 'a', 'nul\\\\x00', '\\ud800', '.']
  const { children, unsafe } = listingOf(treeOf(...names.map((name) => `{"name":"${name}","type":"fifo"}`)), id, '')
  expect(children.map(({ path }) => path)).toEqual(['a', 'a-b', 'b'])
  expect(unsafe).toHaveLength(6)
})

test('what is no tree', () => {
  for (const text of ['', '[]', '{}', '{"nodes":{}}', '{"nodes":[{"name":"\\\\q"}]}'])
    expect(() => listingOf(new TextEncoder().encode(text), id, '')).toThrow(/^tree a{16}… is damaged/)
  expect(listingOf(new TextEncoder().encode('{"nodes":null}'), id, '').children).toEqual([])
})
