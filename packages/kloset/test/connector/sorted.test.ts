import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/bytes/index.js'
import {
  comparePaths,
  type Entry,
  type Failure,
  KlosetError,
  pathFromBytes,
  type SpillStore,
  sorted,
} from '../../src/connector/index.js'
import { readRun, writeRun } from '../../src/connector/runs.js'

const signal = new AbortController().signal

// Keeps runs in memory, hands them out in pieces of odd sizes, and counts what is there.
class Spill implements SpillStore {
  runs = 0
  written = 0

  async write(chunks: AsyncIterable<Uint8Array>): ReturnType<SpillStore['write']> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk.slice())
    const bytes = concatBytes(...parts)
    this.runs++
    this.written++
    const remove = async (): Promise<void> => {
      this.runs--
    }
    const read = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 3) % 5_000)
        yield bytes.subarray(at, at + size)
    }
    return { read, remove }
  }
}

const path = fc
  .array(fc.oneof(fc.constantFrom(0x2f, 0x61, 0x2d, 0xe9), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((bytes) => pathFromBytes(Uint8Array.from(bytes)))
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const entry: fc.Arbitrary<Entry> = fc.record(
  {
    path,
    type: fc.constantFrom('file', 'directory', 'symlink'),
    size: fc.maxSafeNat(),
    mode: fc.nat(0o7777),
    mtime: time,
    ctime: time,
    birthtime: time,
    owner: fc.record({ uid: fc.nat(), user: fc.string() }),
    inode: fc.record({
      device: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      number: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      links: fc.nat(),
    }),
    target: path,
    xattrs: fc.dictionary(fc.string(), fc.uint8Array({ maxLength: 20 })),
    attributes: fc.dictionary(fc.string(), fc.string()),
    version: fc.string(),
    ref: fc.string(),
  },
  { requiredKeys: ['path', 'type'] },
)

describe('sorted', () => {
  it('puts entries into path order, the same in memory and spilled', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(entry, { maxLength: 20 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 20_000 }),
        async (batches, memory) => {
          const spill = new Spill()
          const expected = batches.flat().sort((a, b) => comparePaths(a.path, b.path))
          expect(await collect(sorted(from(batches), { signal, spill }))).toEqual(expected)
          expect(spill.written).toBe(0)
          expect(await collect(sorted(from(batches), { signal, spill, memory }))).toEqual(expected)
          expect(spill.runs).toBe(0)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('sorts more than memory holds', async () => {
    const count = 30_000
    const spill = new Spill()
    const scan = async function* (): AsyncGenerator<Entry[]> {
      for (let i = 0; i < count; i += 100) {
        yield Array.from({ length: 100 }, (_, k) => ({
          path: `${((i + k) * 7_919) % count}`,
          type: 'file',
          mtime: BigInt(i),
        }))
      }
    }
    let before = ''
    let found = 0
    for await (const batch of sorted(scan(), { signal, spill, memory: 500_000 })) {
      for (const one of batch) {
        expect(found++ === 0 || comparePaths(before, one.path) < 0).toBe(true)
        before = one.path
      }
    }
    expect(found).toBe(count)
    expect(spill.written).toBeGreaterThan(10)
    expect(spill.runs).toBe(0)
  })

  it('keeps an entry before what failed about it', async () => {
    const error = new KlosetError('KLOSET_DENIED', 'no', {
      hint: 'Ask.',
      context: { path: 'x' },
      cause: new Error('EACCES'),
    })
    const items = Array.from({ length: 50 }, (_, i): (Entry | Failure)[] => {
      const at = `${(i * 37) % 50}`
      return [
        { path: at, type: 'directory' },
        { path: at, error },
      ]
    })
    for (const memory of [1, 3_000, undefined]) {
      const found = await collect(sorted(from(items), { signal, spill: new Spill(), memory }))
      for (let i = 0; i < found.length; i += 2) {
        expect(found[i]).toEqual({ path: found[i]!.path, type: 'directory' })
        expect(found[i + 1]).toMatchObject({
          path: found[i]!.path,
          error: { code: 'KLOSET_DENIED', message: 'no', hint: 'Ask.' },
        })
      }
    }
  })

  it('removes what it spilled when the reader stops, the scan fails or it is aborted', async () => {
    const items = Array.from({ length: 50 }, (_, i): Entry[] => [{ path: `${i}`, type: 'file' }])
    const spill = new Spill()
    for await (const _ of sorted(from(items), { signal, spill, memory: 1 })) break
    expect(spill).toMatchObject({ written: 50, runs: 0 })
    const failing = async function* (): AsyncGenerator<Entry[]> {
      yield* items
      throw new Error('scan failed')
    }
    await expect(collect(sorted(failing(), { signal, spill, memory: 1 }))).rejects.toThrow('scan failed')
    const controller = new AbortController()
    const aborting = async function* (): AsyncGenerator<Entry[]> {
      yield* items
      controller.abort(new Error('enough'))
      yield [{ path: 'z', type: 'file' }]
    }
    await expect(collect(sorted(aborting(), { signal: controller.signal, spill, memory: 1 }))).rejects.toThrow('enough')
    expect(spill.runs).toBe(0)
  })

  it('notices when what it spilled comes back cut off', async () => {
    const cut = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of writeRun([{ path: 'a', type: 'file' }])) yield chunk.subarray(0, -1)
    }
    await expect(collect(readRun(cut()))).rejects.toThrow('cut off')
  })
})

async function* from<T>(batches: readonly T[]): AsyncGenerator<T> {
  yield* batches
}

async function collect(batches: AsyncIterable<readonly (Entry | Failure)[]>): Promise<(Entry | Failure)[]> {
  const found: (Entry | Failure)[] = []
  for await (const batch of batches) found.push(...batch)
  return found
}
