import type { Storage } from '../../connector/contract.js'
import { check, checkEqual } from '../assert.js'
import type { Check } from '../case.js'
import { type Bench, eachOf, listed, namesIn, never, pattern, replacing } from './bench.js'

/** Listing, from every edge. */
export const listingChecks: readonly Check<Bench>[] = [
  {
    name: 'lists 5,000 objects in order, in batches of 1 to 1,000',
    needs: 'list',
    timeout: 300_000,
    async run(bench) {
      const storage = await bench.client()
      const expected = Array.from({ length: 5000 }, (_, at) => ({ name: bench.named(scattered(at)), size: at % 7 }))
      await eachOf(expected, ({ name, size }) => storage.put(name, pattern(size), replacing))
      expected.sort((a, b) => (a.name < b.name ? -1 : 1))
      checkEqual(await listed(storage, bench.prefix), expected, 'the listing')
      for (const at of [0, 998, 999, 1000, 2500, 4998, 4999]) {
        const rest = await namesIn(storage, bench.prefix, expected[at]!.name)
        checkEqual(rest.length, 4999 - at, `how many follow object ${at}`)
        checkEqual(rest[0], expected[at + 1]?.name, `what follows object ${at}`)
      }
      await storage.remove(
        expected.map(({ name }) => name),
        { signal: never },
      )
      checkEqual(await listed(storage, bench.prefix), [], 'the listing after all was removed')
    },
  },
  {
    name: 'lists by whole names, not folder by folder',
    needs: 'list',
    async run(bench) {
      const { storage, names } = await withTrickyNames(bench)
      checkEqual(await namesIn(storage, bench.prefix), names, 'the listing')
    },
  },
  {
    name: 'lists what follows a name, whether that name is there or not',
    needs: 'list',
    async run(bench) {
      const { storage, names } = await withTrickyNames(bench)
      const afters = [
        '',
        'a',
        'a/',
        'a/m',
        'a/zz',
        'a0',
        'ab/c/d',
        'ab/c/',
        'b',
        'zzzz',
        ...names.map((n) => n.slice(bench.prefix.length)),
      ]
      for (const after of afters) {
        const from = bench.named(after)
        const expected = names.filter((name) => name > from)
        checkEqual(await namesIn(storage, bench.prefix, from), expected, `the listing after ${after}`)
      }
      checkEqual(await namesIn(storage, bench.prefix, '-'), names, 'the listing after a name before all')
    },
  },
  {
    name: 'lists by any prefix, also one that ends within a name',
    needs: 'list',
    async run(bench) {
      const { storage, names } = await withTrickyNames(bench)
      for (const start of [
        '',
        'a',
        'a/',
        'a/x',
        'a/x/',
        'a-',
        'ab',
        'ab/',
        'ab/c',
        'ab/c/d',
        'z',
        'nothing',
        'nothing/',
      ]) {
        const prefix = bench.named(start)
        const expected = names.filter((name) => name.startsWith(prefix))
        checkEqual(await namesIn(storage, prefix), expected, `the listing of ${start}`)
        for (const after of [names[0]!, names[3]!, names.at(-1)!]) {
          const rest = expected.filter((name) => name > after)
          checkEqual(await namesIn(storage, prefix, after), rest, `the listing of ${start} after ${after}`)
        }
      }
      const everything = await namesIn(storage, '')
      for (const name of names) check(everything.includes(name), `the listing of everything holds ${name}`)
    },
  },
  {
    name: 'lists what is there all along while others write and remove',
    needs: 'list',
    timeout: 120_000,
    async run(bench) {
      const [storage, writer] = [await bench.client(), await bench.client()]
      const stays = Array.from({ length: 1200 }, (_, at) => bench.named(`stays/${scattered(at)}`)).sort()
      const goes = Array.from({ length: 100 }, (_, at) => bench.named(`stays/${scattered(at)}-goes`))
      await eachOf([...stays, ...goes], (name) => storage.put(name, pattern(3), replacing))
      let busy = true
      const writing = (async () => {
        for (let at = 0; busy; at++) {
          await writer.put(bench.named(`stays/${scattered(at)}-new`), pattern(3), replacing)
          const gone = goes[at]
          if (gone !== undefined) await writer.remove([gone], { signal: never })
        }
      })()
      try {
        for (let round = 0; round < 5; round++) {
          const names = await namesIn(storage, bench.prefix)
          check(isAscending(names), 'a listing while others write is ascending, and names nothing twice')
          const seen = new Set(names)
          for (const name of stays) check(seen.has(name), `a listing while others write holds ${name}`)
        }
      } finally {
        busy = false
        await writing
      }
    },
  },
  {
    name: 'can be left in the middle of a listing',
    needs: 'list',
    async run(bench) {
      const { storage, names } = await withTrickyNames(bench)
      for await (const batch of storage.list(bench.prefix, { signal: never, after: undefined })) {
        checkEqual(batch[0]?.name, names[0], 'the first object')
        break
      }
      checkEqual(await namesIn(storage, bench.prefix), names, 'the listing after one that was left')
    },
  },
  {
    name: 'removes more objects than one listing batch holds',
    needs: 'list',
    timeout: 120_000,
    async run(bench) {
      const storage = await bench.client()
      const names = Array.from({ length: 1100 }, (_, at) => bench.named(`many/${at}`))
      await eachOf(names, (name) => storage.put(name, pattern(1), replacing))
      await storage.remove([...names, ...names], { signal: never })
      checkEqual(await listed(storage, bench.prefix), [], 'the listing after all was removed')
    },
  },
]

// `-` and `.` sort before `/`, digits and letters after it: what a folder-by-folder listing gets wrong. No object has the name
// of a folder of another: file systems cannot hold both.
const tricky = ['a-b/x', 'a.b', 'a/m/n', 'a/x', 'a/x-y', 'a/x.y/z', 'a0', 'aa', 'ab/c/d', 'ab/c/e', 'ab/cc', 'b/-', 'z']

async function withTrickyNames(bench: Bench): Promise<{ storage: Storage; names: string[] }> {
  const storage = await bench.client()
  const names = tricky.map((name) => bench.named(name)).sort()
  await eachOf(names, (name) => storage.put(name, pattern(4), replacing))
  return { storage, names }
}

/** A name per number, spread over folders so that neighbours are stored far apart. */
function scattered(at: number): string {
  const mixed = (Math.imul(at, 2_654_435_761) >>> 0).toString(16).padStart(8, '0')
  return at % 3 === 0 ? mixed : `${mixed.slice(0, 1)}-/${mixed}`
}

function isAscending(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || names[at - 1]! < name)
}
