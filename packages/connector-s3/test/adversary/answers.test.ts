import { afterEach, beforeEach, expect, test } from 'vitest'
import { elementsIn, rootOf, textIn } from '../../src/xml.js'
import { type Front, startFront } from '../front.js'
import { locate, open, replacing, signal } from '../places.js'

// What a hostile or odd server answers: it may cost an error, and neither the process nor for ever.

let front: Front
beforeEach(async () => {
  front = await startFront(undefined)
})
afterEach(() => front.stop())

const keys = { 'access-key': 'key', 'secret-key': 'secret' }
const listed = (inside: string) => ({ status: 200, body: `<ListBucketResult>${inside}</ListBucketResult>` })
const nothing = listed('<IsTruncated>false</IsTruncated>')
const opened = (options = {}) =>
  open(locate(front, 'bucket', 'prefix'), { options: { ...keys, 'if-absent': 'yes', ...options } })

async function list(): Promise<number> {
  const storage = await opened()
  let count = 0
  for await (const batch of storage.list('', { signal, after: undefined })) count += batch.length
  return count
}

test.each([
  ['blanks', ' '.repeat(8_000_000)],
  ['blanks behind a declaration', `<?xml version="1.0"?>${'\n'.repeat(8_000_000)}`],
  ['tags that are not closed', `<ListBucketResult>${'<Contents>'.repeat(800_000)}`],
  ['tags with attributes that do not end', `<ListBucketResult>${'<Contents '.repeat(800_000)}`],
  ['keys that are not closed', `<ListBucketResult><Contents>${'<Key>'.repeat(1_600_000)}</Contents>`],
  ['a name without end', `<${'a'.repeat(8_000_000)}`],
])('%s are read in time proportional to their length', (_, xml) => {
  // A quadratic search would take hours for each.
  rootOf(xml)
  expect(elementsIn(xml, 'Contents').length).toBeLessThan(2)
  expect(textIn(xml, 'Key')).toBeUndefined()
})

test('what is well-formed is read as before', () => {
  const xml =
    '<?xml version="1.0"?>\n<x:Result xmlns="y"><Key>a&amp;b</Key><KeyCount>1</KeyCount><C a="1"><Key>c</Key></C><C/><C>d</C></x:Result>'
  expect(rootOf(xml)).toBe('Result')
  expect(textIn(xml, 'Key')).toBe('a&b')
  expect(textIn(xml, 'KeyCount')).toBe('1')
  expect(elementsIn(xml, 'C')).toEqual(['<Key>c</Key>', 'd'])
  expect([rootOf('no xml'), rootOf(''), rootOf('<?xml>'), textIn('<Key>a', 'Key')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test.each([
  [
    'empty pages without end',
    (page: number) => listed(`<IsTruncated>true</IsTruncated><NextContinuationToken>${page}</NextContinuationToken>`),
  ],
  [
    'the same page for ever',
    () => listed('<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>'),
  ],
  ['a page larger than any', () => listed(`<IsTruncated>false</IsTruncated>${' '.repeat(20_000_000)}`)],
])('a listing of %s is given up', async (_, answer) => {
  let page = 0
  // The first listing of all is that of opening.
  front.answer = () => (page++ === 0 ? nothing : answer(page))
  await expect(list()).rejects.toMatchObject({
    code: 'KLOSET_CONNECTOR',
    message: expect.stringContaining('to an end'),
  })
  expect(front.requests.length).toBeLessThan(120)
})

test('where removing many at once is denied, each is removed by itself', async () => {
  front.answer = ({ method }) => (method === 'POST' ? { status: 403 } : method === 'DELETE' ? { status: 204 } : nothing)
  const storage = await opened()
  await storage.remove(['packs/a', 'packs/b', 'packs/c'], { signal })
  await storage.remove(['packs/d', 'packs/e'], { signal })
  const asked = front.requests.filter(({ method }) => method !== 'GET').map(({ method }) => method)
  // It is found out once.
  expect(asked).toEqual(['POST', ...Array(5).fill('DELETE')])
})

test('and what is denied then is reported', async () => {
  front.answer = ({ method, path }) =>
    method === 'POST' || path.endsWith('/packs/b') ? { status: 403 } : method === 'DELETE' ? { status: 204 } : nothing
  const storage = await opened()
  await expect(storage.remove(['packs/a', 'packs/b'], { signal })).rejects.toMatchObject({
    code: 'KLOSET_DENIED',
    message: expect.stringContaining('packs/b'),
  })
})

test('a server that refuses half of the requests for a while is found out about all the same', async () => {
  let count = 0
  let stored = false
  front.answer = ({ method, path }) => {
    if (!path.includes('probe')) return nothing
    if (count++ % 2 === 0) return { status: 503, body: '<Error><Code>SlowDown</Code></Error>' }
    if (method !== 'PUT') return { status: 503, body: '<Error><Code>SlowDown</Code></Error>' }
    if (stored) return { status: 412 }
    stored = true
    return { status: 200 }
  }
  const storage = await open(locate(front, 'bucket', 'prefix'), { mode: 'create', options: keys })
  expect(storage.capabilities.putIfAbsent).toBe(true)
  await expect(storage.put('a', new Uint8Array(1), replacing)).resolves.toBe('stored')
})
