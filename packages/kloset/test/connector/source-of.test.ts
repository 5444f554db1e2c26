import { describe, expect, it } from 'vitest'
import {
  type Entry,
  everything,
  type Failure,
  type Source,
  sourceOf,
  type VirtualFile,
} from '../../src/connector/index.js'

const signal = new AbortController().signal
const all = { signal, filter: everything, under: '' }
const whole = { signal, range: undefined }
const about = { type: 'rows', origin: 'tenant' }

describe('source of virtual files', () => {
  it('is the example of the documentation', async () => {
    const source = sourceOf(about, async function* () {
      for (const id of [10, 9, 1]) yield { path: `rows/${id}.json`, version: `v${id}`, content: JSON.stringify({ id }) }
    })
    expect(source).toMatchObject({ type: 'rows', origin: 'tenant', root: '' })
    expect(source.capabilities).toMatchObject({ order: 'any', access: 'in-order', atomic: false })
    const read: string[] = []
    for await (const batch of source.scan(all)) {
      for (const one of batch) read.push(`${one.path} ${await textOf(source, one as Entry)}`)
    }
    expect(read).toEqual(['rows/10.json {"id":10}', 'rows/9.json {"id":9}', 'rows/1.json {"id":1}'])
  })

  it('gives entries their type and, where it is known, their size', async () => {
    const files: VirtualFile[] = [
      { path: 'd', type: 'directory', mode: 0o755 },
      { path: 'd/text', content: 'é', mtime: 5n, attributes: { 'app.id': '1' } },
      { path: 'd/bytes', content: Uint8Array.of(1, 2, 3) },
      { path: 'd/later', content: () => 'x' },
      { path: 'd/said', content: () => 'xyz', size: 3 },
      { path: 'd/empty' },
    ]
    expect(await entries(sourceOf(about, () => files))).toEqual([
      { path: 'd', type: 'directory', mode: 0o755 },
      { path: 'd/text', type: 'file', size: 2, mtime: 5n, attributes: { 'app.id': '1' } },
      { path: 'd/bytes', type: 'file', size: 3 },
      { path: 'd/later', type: 'file' },
      { path: 'd/said', type: 'file', size: 3 },
      { path: 'd/empty', type: 'file', size: 0 },
    ])
  })

  it('reads every kind of content, calling functions only then', async () => {
    let called = 0
    const stream = async function* (): AsyncGenerator<string | Uint8Array> {
      yield 'ab'
      yield Uint8Array.of(0x63)
    }
    const made = (content: string | Uint8Array | AsyncIterable<string | Uint8Array>) => () => {
      called++
      return content
    }
    const files: VirtualFile[] = [
      { path: 'a', content: 'text' },
      { path: 'b', content: new TextEncoder().encode('bytes') },
      { path: 'c', content: stream() },
      { path: 'd', content: made('text') },
      { path: 'e', content: () => Promise.resolve(stream()) },
      { path: 'f' },
    ]
    const source = sourceOf({ ...about, access: 'random' }, () => files)
    const found = await entries(source)
    expect(called).toBe(0)
    const texts = []
    for (const entry of [...found].reverse()) texts.unshift(await textOf(source, entry))
    expect(texts).toEqual(['text', 'bytes', 'abc', 'text', 'abc', ''])
    expect(called).toBe(1)
    // Again, as after a failure: all but the stream, which says so instead of being empty.
    expect(await textOf(source, found[3]!)).toBe('text')
    expect(await textOf(source, found[0]!)).toBe('text')
    await expect(textOf(source, found[2]!)).rejects.toMatchObject({
      code: 'KLOSET_CONNECTOR',
      message: expect.stringContaining('second time'),
    })
    await source.close()
    await expect(textOf(source, found[0]!)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
  })

  it('reads a range', async () => {
    const stream = async function* (): AsyncGenerator<string> {
      yield 'abc'
      yield 'defg'
      yield 'h'
    }
    const source = sourceOf({ ...about, access: 'random' }, () => [{ path: 'a', content: stream }])
    const [entry] = await entries(source)
    for (const [offset, length, text] of [
      [0, 8, 'abcdefgh'],
      [2, 3, 'cde'],
      [3, 4, 'defg'],
      [7, 5, 'h'],
      [9, 1, ''],
      [1, 0, ''],
    ] as const) {
      expect(await textOf(source, entry!, { offset, length })).toBe(text)
    }
  })

  it('keeps no content longer than in-order access needs', async () => {
    const source = sourceOf(about, function* () {
      for (let i = 0; i < 1_000; i++) yield { path: `${i}`, content: 'x'.repeat(50_000) }
    })
    const scan = source.scan(all)[Symbol.asyncIterator]()
    const first = (await scan.next()).value as Entry[]
    // About a megabyte at a time.
    expect(first.length).toBeLessThan(30)
    expect(await textOf(source, first[0]!)).toHaveLength(50_000)
    await scan.next()
    await expect(textOf(source, first[0]!)).rejects.toMatchObject({ code: 'KLOSET_NOT_FOUND' })
    await scan.return?.()
  })

  it('takes what the filter takes, also of directories it never yields', async () => {
    const asked: string[] = []
    const filter = {
      takes: (path: string, type: string) => {
        asked.push(`${type} ${path}`)
        return path !== 'a/skip' && !path.endsWith('.tmp')
      },
    }
    const source = sourceOf(about, () =>
      ['a/skip/deep/x', 'a/skip/y', 'a/keep', 'b.tmp', 'b'].map((path) => ({ path, content: 'x' })),
    )
    expect((await entries(source, { ...all, filter })).map(({ path }) => path)).toEqual(['a/keep', 'b'])
    expect(asked.filter((one) => one === 'directory a')).toHaveLength(1)
    expect(asked).not.toContain('file a/skip/y')
    expect((await entries(source, { ...all, under: 'a' })).map(({ path }) => path)).toEqual([
      'a/skip/deep/x',
      'a/skip/y',
      'a/keep',
    ])
  })

  it('generates anew for each scan, and hands on the signal', async () => {
    let runs = 0
    const controller = new AbortController()
    const source = sourceOf(about, function* (call) {
      runs++
      expect(call.signal).toBe(controller.signal)
      yield { path: 'a', content: 'x' }
      yield { path: 'b', content: 'x' }
    })
    const how = { ...all, signal: controller.signal }
    expect(await entries(source, how)).toHaveLength(2)
    expect(await entries(source, how)).toHaveLength(2)
    expect(runs).toBe(2)
    controller.abort(new Error('enough'))
    await expect(entries(source, how)).rejects.toThrow('enough')
  })

  it('fails for paths and contents that cannot be', async () => {
    await expect(entries(sourceOf(about, () => [{ path: 'rows/../x' }]))).rejects.toMatchObject({
      code: 'KLOSET_PATH_UNSAFE',
    })
    await expect(entries(sourceOf(about, () => [{ path: 'd', type: 'directory', content: 'x' }]))).rejects.toThrow(
      TypeError,
    )
  })
})

async function entries(source: Source, how: Parameters<Source['scan']>[0] = all): Promise<Entry[]> {
  const found: (Entry | Failure)[] = []
  for await (const batch of source.scan(how)) found.push(...batch)
  return found as Entry[]
}

async function textOf(source: Source, entry: Entry, range?: { offset: number; length: number }): Promise<string> {
  let text = ''
  for await (const bytes of source.read(entry, { ...whole, range })) text += new TextDecoder().decode(bytes)
  return text
}
