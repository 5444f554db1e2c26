import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  comparePaths,
  type Entry,
  everything,
  type Failure,
  type Filter,
  KlosetError,
  type ListDirectory,
  walk,
} from '../../src/connector/index.js'

const signal = new AbortController().signal
const all = { signal, filter: everything, under: '' }

describe('walk', () => {
  it('goes through any tree in path order, however listings answer', async () => {
    const name = fc.constantFrom('a', 'b', 'a-b', 'a b', 'ü', '😀', '\uff41', '\udce9', 'z')
    const paths = fc.array(fc.array(name, { minLength: 1, maxLength: 5 }), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(
        paths,
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(3)),
        async (files, concurrency, delays) => {
          const tree = treeOf(files.map((segments) => segments.join('/')))
          let turn = 0
          const list: ListDirectory = async (path) => {
            for (let i = delays[turn++ % Math.max(1, delays.length)] ?? 0; i > 0; i--) await Promise.resolve()
            return tree.list(path).reverse()
          }
          expect(await collect(walk(list, { ...all, concurrency }))).toEqual(tree.entries)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('takes what the filter takes, and does not list what it does not', async () => {
    const tree = treeOf(['a/b/c', 'a/x', 'node_modules/y/z', 'q'])
    const listed: string[] = []
    const filter: Filter = { takes: (path, type) => type !== 'directory' || !path.endsWith('node_modules') }
    const list: ListDirectory = async (path) => {
      listed.push(path)
      return tree.list(path)
    }
    const found = await collect(walk(list, { ...all, filter }))
    expect(found.map(({ path }) => path)).toEqual(['a', 'a/b', 'a/b/c', 'a/x', 'q'])
    expect(listed.sort()).toEqual(['', 'a', 'a/b'])
  })

  it('starts below a directory', async () => {
    const tree = treeOf(['a/b/c', 'a/x', 'q'])
    const found = await collect(walk(async (path) => tree.list(path), { ...all, under: 'a' }))
    expect(found.map(({ path }) => path)).toEqual(['a/b', 'a/b/c', 'a/x'])
  })

  it('takes listings that come in batches', async () => {
    const tree = treeOf(Array.from({ length: 1_200 }, (_, i) => `folder/${i}`))
    const sizes: number[] = []
    const list: ListDirectory = async function* (path) {
      const entries = tree.list(path)
      for (let i = 0; i < entries.length; i += 100) yield entries.slice(i, i + 100)
    }
    const found: (Entry | Failure)[] = []
    for await (const batch of walk(list, all)) {
      sizes.push(batch.length)
      found.push(...batch)
    }
    expect(found).toEqual(tree.entries)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000)
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1)
  })

  it('lists ahead, and no more at once than told', async () => {
    const tree = treeOf(Array.from({ length: 300 }, (_, i) => `${i % 10}/${i % 30}/${i}`))
    let active = 0
    let most = 0
    const list: ListDirectory = async (path) => {
      most = Math.max(most, ++active)
      await new Promise((resolve) => setTimeout(resolve, 1))
      active--
      return tree.list(path)
    }
    expect(await collect(walk(list, { ...all, concurrency: 5 }))).toEqual(tree.entries)
    // The directory that is needed next is listed even when the others are busy.
    expect(most).toBeGreaterThanOrEqual(5)
    expect(most).toBeLessThanOrEqual(6)
  })

  it('does not list the whole tree ahead of a slow reader', async () => {
    const tree = treeOf(Array.from({ length: 5_000 }, (_, i) => `${String(i).padStart(4, '0')}/x`))
    let listed = 0
    const list: ListDirectory = async (path) => {
      listed++
      return tree.list(path)
    }
    const walking = walk(list, { ...all, concurrency: 4 })
    await walking.next()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(listed).toBeLessThan(600)
    await walking.return()
  })

  it('reports a directory that cannot be listed, and goes on', async () => {
    const tree = treeOf(['a/x', 'b/y', 'c'])
    const error = new Error('denied')
    const list: ListDirectory = async (path) => {
      if (path === 'a') throw error
      return tree.list(path)
    }
    const found = await collect(walk(list, all))
    expect(found.map((one) => ('error' in one ? `failed ${one.path}` : one.path))).toEqual([
      'a',
      'failed a',
      'b',
      'b/y',
      'c',
    ])
    expect(found[1]).toEqual({ path: 'a', error })
    await expect(
      collect(
        walk(async () => {
          throw error
        }, all),
      ),
    ).rejects.toBe(error)
  })

  it('tries again what may succeed later', async () => {
    const tree = treeOf(['a/x'])
    let failures = 0
    const busy = new KlosetError('KLOSET_BUSY', 'busy', { retry: 'later', retryAfter: 1 })
    const list: ListDirectory = async (path) => {
      if (path === 'a' && failures < 3) {
        failures++
        throw busy
      }
      return tree.list(path)
    }
    expect(await collect(walk(list, all))).toEqual(tree.entries)
    let calls = 0
    const never: ListDirectory = async () => {
      calls++
      throw busy
    }
    await expect(collect(walk(never, all))).rejects.toBe(busy)
    expect(calls).toBe(4)
  })

  it('leaves out what cannot be where it is said to be, and says so once', async () => {
    const wrong = ['../x', 'a', 'b/a/c', 'b', 'b/', 'b/..', '/b/c', 'b//c', 'b/\0', 'c/d', '']
    const list: ListDirectory = async (path) =>
      path === '' ? [directory('b'), file('c')] : [file('b/good'), ...wrong.map((one) => file(one))]
    const found = await collect(walk(list, all))
    expect(found.map((one) => ('error' in one ? `failed ${one.path}` : one.path))).toEqual([
      'b',
      'failed b',
      'b/good',
      'c',
    ])
    expect(found[1]).toMatchObject({
      error: { code: 'KLOSET_PATH_UNSAFE', context: { directory: 'b', left: wrong.length } },
    })
  })

  it('gives each path one entry and one failure at most', async () => {
    const failure: Failure = { path: 'a', error: new Error('first') }
    const list: ListDirectory = async (path) =>
      path === ''
        ? [failure, file('a'), { path: 'a', error: new Error('second') }, file('b'), file('b'), file('b')]
        : []
    const found = await collect(walk(list, all))
    expect(found.map((one) => ('error' in one ? `failed ${one.path}` : one.path))).toEqual([
      'a',
      'failed a',
      'b',
      'failed b',
    ])
    expect(found[1]).toBe(failure)
  })

  it('ends at once when it is aborted, with the reason', async () => {
    const tree = treeOf(Array.from({ length: 100 }, (_, i) => `${i}/x`))
    const controller = new AbortController()
    const reason = new Error('enough')
    const signals: AbortSignal[] = []
    const list: ListDirectory = async (path, how) => {
      signals.push(how.signal)
      if (path !== '') {
        await new Promise((_, reject) =>
          how.signal.addEventListener('abort', () => reject(how.signal.reason), { once: true }),
        )
      }
      return tree.list(path)
    }
    const walking = collect(walk(list, { ...all, signal: controller.signal }))
    setTimeout(() => controller.abort(reason), 5)
    await expect(walking).rejects.toBe(reason)
    await expect(collect(walk(list, { ...all, signal: controller.signal }))).rejects.toBe(reason)
    // All but the one of the root, which was listed already.
    expect(signals.map((one) => one.aborted)).toEqual([false, ...signals.slice(1).map(() => true)])
  })

  it('stops listings that are under way when the reader stops', async () => {
    let aborted = 0
    const list: ListDirectory = async (path, how) => {
      if (path === '') return Array.from({ length: 20 }, (_, i) => directory(`d${i}`))
      await new Promise((_, reject) =>
        how.signal.addEventListener('abort', () => {
          aborted++
          reject(how.signal.reason)
        }),
      )
      return []
    }
    for await (const batch of walk(list, all)) {
      expect(batch.length).toBe(1)
      break
    }
    expect(aborted).toBeGreaterThan(5)
  })
})

function file(path: string): Entry {
  return { path, type: 'file', size: path.length }
}

function directory(path: string): Entry {
  return { path, type: 'directory' }
}

// The directories above paths, and files where no directory is in the way.
function treeOf(paths: readonly string[]): { entries: Entry[]; list(path: string): Entry[] } {
  const directories = new Set<string>()
  for (const path of paths) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) directories.add(path.slice(0, at))
  }
  const files = new Set(paths.filter((path) => !directories.has(path)))
  const entries = [...[...directories].map(directory), ...[...files].map(file)].sort((a, b) =>
    comparePaths(a.path, b.path),
  )
  const children = new Map<string, Entry[]>()
  for (const entry of entries) {
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')))
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [entry])
    else siblings.push(entry)
  }
  return { entries, list: (path) => [...(children.get(path) ?? [])] }
}

async function collect(batches: AsyncIterable<readonly (Entry | Failure)[]>): Promise<(Entry | Failure)[]> {
  const found: (Entry | Failure)[] = []
  for await (const batch of batches) {
    expect(batch.length).toBeGreaterThan(0)
    found.push(...batch)
  }
  return found
}
