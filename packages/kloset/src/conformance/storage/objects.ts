import { check, checkBytes, checkEqual, checkThrows } from '../assert.js'
import type { Check } from '../case.js'
import { type Bench, listed, never, pattern, replacing, whole } from './bench.js'

/** Putting, getting, asking about and removing single objects. */
export const objectChecks: readonly Check<Bench>[] = [
  {
    name: 'returns what was stored',
    needs: 'write',
    async run(bench) {
      const storage = await bench.client()
      for (const size of [1, 2, 255, 4096, 65_537, 1_048_577]) {
        const name = bench.named(`size-${size}`)
        const body = pattern(size, size)
        checkEqual(await storage.put(name, body, replacing), 'stored', 'the answer to a put')
        checkBytes(await storage.get(name, whole), body, `an object of ${size} bytes`)
        checkEqual(await storage.stat(name, { signal: never }), { size }, 'its stat')
      }
    },
  },
  {
    name: 'stores an empty object',
    needs: 'write',
    async run(bench) {
      const { storage, name } = await bench.holding('empty', new Uint8Array(0))
      checkBytes(await storage.get(name, whole), new Uint8Array(0), 'an empty object')
      const nothing = { signal: never, range: { offset: 0, length: 0 } }
      checkBytes(await storage.get(name, nothing), new Uint8Array(0), 'the empty range of an empty object')
      checkEqual(await storage.stat(name, { signal: never }), { size: 0 }, 'its stat')
    },
  },
  {
    name: 'stores an object of 100 MB',
    needs: 'write',
    timeout: 300_000,
    async run(bench) {
      const storage = await bench.client()
      const name = bench.named('large')
      const body = pattern(100_000_000)
      await storage.put(name, body, { ...replacing, tier: 'cold' })
      checkBytes(await storage.get(name, whole), body, 'an object of 100 MB')
      const range = { offset: 99_000_001, length: 999_998 }
      const end = range.offset + range.length
      checkBytes(await storage.get(name, { signal: never, range }), body.subarray(range.offset, end), 'its last MB')
    },
  },
  {
    name: 'keeps its own copy of what is stored, and hands out copies',
    needs: 'write',
    async run(bench) {
      const body = pattern(1000)
      const { storage, name } = await bench.holding('copy', body)
      body.fill(0)
      const first = await storage.get(name, whole)
      checkBytes(first, pattern(1000), 'an object whose array was changed after it was stored')
      first.fill(0)
      checkBytes(await storage.get(name, whole), pattern(1000), 'an object read into an array that was changed')
      const part = { signal: never, range: { offset: 0, length: 1000 } }
      ;(await storage.get(name, part)).fill(0)
      checkBytes(await storage.get(name, part), pattern(1000), 'a range read into an array that was changed')
    },
  },
  {
    name: 'may read into memory that it is lent, and leaves the rest of it as it is',
    needs: 'write',
    async run(bench) {
      const body = pattern(300_000)
      const { storage, name } = await bench.holding('lent', body)
      for (const range of [undefined, { offset: 1000, length: 200_000 }, { offset: 0, length: 0 }]) {
        const expected = range === undefined ? body : body.subarray(range.offset, range.offset + range.length)
        for (const room of [0, expected.length - 1, expected.length, expected.length + 5000])
          for (const Memory of memories) {
            const memory = new Memory(Math.max(0, room))
            const all = new Uint8Array(memory).fill(0xa5)
            const bytes = await storage.get(name, { signal: never, range, memory })
            checkBytes(bytes, expected, `what was read with ${room} bytes lent`)
            if (bytes.buffer === memory) checkEqual(bytes.byteOffset, 0, 'where the answer starts in lent memory')
            check(
              all.subarray(expected.length).every((byte) => byte === 0xa5),
              'what follows the answer in lent memory is left as it was',
            )
          }
      }
    },
  },
  {
    name: 'stores a view of a larger array',
    needs: 'write',
    async run(bench) {
      const view = pattern(5000).subarray(1001, 4001)
      const { storage, name } = await bench.holding('view', view)
      checkBytes(await storage.get(name, whole), view, 'a view')
    },
  },
  {
    name: 'reads exactly the range asked for',
    needs: 'write',
    async run(bench) {
      const size = 70_000
      const body = pattern(size)
      const { storage, name } = await bench.holding('ranges', body)
      for (const offset of [0, 1, 4095, 4096, 65_536, size - 1, size])
        for (const length of [0, 1, 2, 4096, 65_536, size - offset]) {
          if (offset + length > size) continue
          const bytes = await storage.get(name, { signal: never, range: { offset, length } })
          checkBytes(bytes, body.subarray(offset, offset + length), `${length} bytes at ${offset}`)
        }
    },
  },
  {
    name: 'refuses a range that reaches beyond the end',
    needs: 'write',
    async run(bench) {
      const { storage, name } = await bench.holding('beyond', pattern(1000))
      for (const [offset, length] of [
        [0, 1001],
        [999, 2],
        [1000, 1],
        [1001, 0],
        [5000, 5000],
      ] as const) {
        const read = () => storage.get(name, { signal: never, range: { offset, length } })
        await checkThrows(read, 'KLOSET_NOT_FOUND', `${length} bytes at ${offset} of 1000`)
      }
    },
  },
  {
    name: 'says that an absent object is not there',
    async run(bench) {
      const storage = await bench.client()
      for (const name of ['absent', 'absent/below']) {
        const read = () => storage.get(bench.named(name), whole)
        await checkThrows(read, 'KLOSET_NOT_FOUND', 'reading an absent object')
        const part = () => storage.get(bench.named(name), { signal: never, range: { offset: 0, length: 1 } })
        await checkThrows(part, 'KLOSET_NOT_FOUND', 'reading a range of an absent object')
        checkEqual(await storage.stat(bench.named(name), { signal: never }), undefined, 'the stat of an absent object')
      }
    },
  },
  {
    name: 'does not take a folder for an object',
    needs: 'write',
    async run(bench) {
      const storage = await bench.client()
      await storage.put(bench.named('folder/inside'), pattern(10), replacing)
      const read = () => storage.get(bench.named('folder'), whole)
      await checkThrows(read, 'KLOSET_NOT_FOUND', 'reading a folder')
      checkEqual(await storage.stat(bench.named('folder'), { signal: never }), undefined, 'the stat of a folder')
    },
  },
  {
    name: 'replaces an object whole',
    needs: 'write',
    async run(bench) {
      const storage = await bench.client()
      const name = bench.named('replaced')
      for (const size of [1000, 70_000, 10, 0, 500]) {
        checkEqual(
          await storage.put(name, pattern(size, size), replacing),
          'stored',
          'the answer to a put that replaces',
        )
        checkBytes(await storage.get(name, whole), pattern(size, size), 'an object stored again')
        checkEqual(await storage.stat(name, { signal: never }), { size }, 'its stat')
      }
    },
  },
  {
    name: 'takes every legal name',
    needs: 'write',
    async run(bench) {
      const storage = await bench.client()
      const names = oddNames(bench.prefix)
      for (const [at, name] of names.entries()) await storage.put(name, pattern(at + 1, at), replacing)
      for (const [at, name] of names.entries()) {
        checkBytes(await storage.get(name, whole), pattern(at + 1, at), `the object ${name}`)
        checkEqual(await storage.stat(name, { signal: never }), { size: at + 1 }, `the stat of ${name}`)
      }
      if (!storage.capabilities.list) return
      const expected = names.map((name, at) => ({ name, size: at + 1 })).sort((a, b) => (a.name < b.name ? -1 : 1))
      checkEqual(await listed(storage, bench.prefix), expected, 'the listing of odd names')
    },
  },
  {
    name: 'removes objects, and does not mind those that are absent',
    needs: 'write',
    async run(bench) {
      const storage = await bench.client()
      const names = ['a', 'b/c', 'b/d', 'e'].map((name) => bench.named(name))
      const [a, c, d, e] = names as [string, string, string, string]
      for (const name of names) await storage.put(name, pattern(10), replacing)
      await storage.remove([], { signal: never })
      await storage.remove([a, bench.named('absent'), bench.named('absent/too'), c], { signal: never })
      await storage.remove([a, c], { signal: never })
      checkEqual(await storage.stat(a, { signal: never }), undefined, 'the stat of a removed object')
      await checkThrows(() => storage.get(c, whole), 'KLOSET_NOT_FOUND', 'reading a removed object')
      for (const kept of [d, e])
        checkBytes(await storage.get(kept, whole), pattern(10), 'an object that was not removed')
      await storage.put(a, pattern(20), replacing)
      checkBytes(await storage.get(a, whole), pattern(20), 'an object stored again after it was removed')
    },
  },
  {
    name: 'shows one client what another stored, also after reopening',
    needs: 'write',
    async run(bench) {
      const [one, other] = [await bench.client(), await bench.client()]
      const name = bench.named('shared/object')
      await one.put(name, pattern(1000), replacing)
      checkBytes(await other.get(name, whole), pattern(1000), 'an object that another client stored')
      await other.remove([name], { signal: never })
      checkEqual(await one.stat(name, { signal: never }), undefined, 'the stat of what another client removed')
      await one.put(name, pattern(2000), replacing)
      const passing = await bench.client()
      await passing.put(bench.named('shared/second'), pattern(10), replacing)
      await passing.close()
      const reopened = await bench.client()
      checkBytes(await reopened.get(name, whole), pattern(2000), 'an object read after reopening')
      checkBytes(await reopened.get(bench.named('shared/second'), whole), pattern(10), 'what a closed client stored')
    },
  },
  {
    name: 'sets room aside that is no object of it, and gives it up, where it does so',
    async run(bench) {
      const storage = await bench.client()
      const { reserve } = storage
      if (reserve === undefined) return
      const call = { signal: never }
      await reserve.keep(call)
      await reserve.keep(call)
      for await (const batch of storage.list('', { ...call, after: undefined }))
        for (const { name } of batch) check(!name.includes('reserve'), `${name} is among the objects`)
      check(await reserve.release(call), 'what was set aside makes room')
      check(!(await reserve.release(call)), 'what was given up makes no room again')
      await reserve.keep(call)
      check(await reserve.release(call), 'it is set aside again')
    },
  },
  {
    name: 'tells its usage in numbers, where it tells it',
    async run(bench) {
      const storage = await bench.client()
      if (!storage.usage) return
      const { used, free } = await storage.usage({ signal: never })
      for (const number of [used, free])
        check(number === undefined || (Number.isFinite(number) && number >= 0), `usage in bytes, not ${number}`)
    },
  },
]

// Pages that are not isolated have no memory to share.
const memories = typeof SharedArrayBuffer === 'undefined' ? [ArrayBuffer] : [ArrayBuffer, SharedArrayBuffer]

/** All within the contract: `a-z 0-9 / . _ -`, at most 128 characters, no empty, `.` or `..` segment. */
function oddNames(prefix: string): string[] {
  const names = [
    '-',
    '_',
    '...',
    '..a',
    '.a',
    'a.',
    'a..b',
    '-rf',
    '0',
    'x/-',
    'x/.y/z',
    'x/_',
    'tmp',
    '.tmp/a',
    'temp/a',
  ]
  const deep = 'd/'.repeat(Math.floor((127 - prefix.length) / 2))
  const long = 'l'.repeat(128 - prefix.length)
  return [...names, `${deep}e`, long].map((name) => prefix + name)
}
