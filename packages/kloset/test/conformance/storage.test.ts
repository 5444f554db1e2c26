import { describe, expect, test } from 'vitest'
import { type Case, storageConformance } from '../../src/conformance/index.js'
import type { Storage } from '../../src/connector/contract.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'

/** What a storage may get wrong, and how that looks from outside. */
const defects: Record<string, (inner: Storage, objects: MemoryPlace) => Partial<Storage>> = {
  'hides a capability': (inner) => ({ capabilities: { ...inner.capabilities, putIfAbsent: false } }),
  'stores over what is there': (inner) => ({
    put: (name, body, how) => inner.put(name, body, { ...how, ifAbsent: false }),
  }),
  'says stored to every racer': (inner) => ({
    put: async (name, body, how) => {
      await inner.put(name, body, how)
      return 'stored'
    },
  }),
  'looks before it stores': (inner) => ({
    put: async (name, body, how) => {
      if (how.ifAbsent && (await inner.stat(name, how))) return 'exists'
      await Promise.resolve()
      return inner.put(name, body, { ...how, ifAbsent: false })
    },
  }),
  'keeps the array it was given': (inner, objects) => ({
    put: async (name, body, how) => {
      const answer = await inner.put(name, body, how)
      if (answer === 'stored') objects.set(name, body)
      return answer
    },
  }),
  'hands out what it keeps': (inner, objects) => ({
    get: async (name, how) => {
      const body = await inner.get(name, how)
      return how.range === undefined ? (objects.get(name) ?? body) : body
    },
  }),
  'cuts ranges short': (inner, objects) => ({
    get: async (name, how) => {
      if (how.range === undefined || !objects.has(name)) return inner.get(name, how)
      const body = await inner.get(name, { ...how, range: undefined })
      return body.slice(how.range.offset, how.range.offset + how.range.length)
    },
  }),
  'ignores ranges': (inner) => ({ get: (name, how) => inner.get(name, { ...how, range: undefined }) }),
  'answers nothing for what is absent': (inner) => ({
    get: (name, how) => inner.get(name, how).catch(() => new Uint8Array(0)),
  }),
  'minds what is absent': (inner) => ({
    remove: async (names, how) => {
      for (const name of names) if (!(await inner.stat(name, how))) throw new Error('absent')
      await inner.remove(names, how)
    },
  }),
  'lists without order': (inner) => ({
    async *list(prefix, how) {
      for await (const batch of inner.list(prefix, how)) yield [...batch].reverse()
    },
  }),
  'lists folder by folder': (inner) => ({
    async *list(prefix, how) {
      const found = []
      for await (const batch of inner.list(prefix, how)) found.push(...batch)
      const key = (name: string) => name.replaceAll('/', '\0')
      found.sort((a, b) => (key(a.name) < key(b.name) ? -1 : 1))
      if (found.length > 0) yield found.slice(0, 1000)
      if (found.length > 1000) yield found.slice(1000)
    },
  }),
  'lists the name it starts after': (inner) => ({
    async *list(prefix, how) {
      const { after } = how
      const body = after?.startsWith(prefix) ? await inner.stat(after, how) : undefined
      if (after !== undefined && body) yield [{ name: after, size: body.size }]
      yield* inner.list(prefix, how)
    },
  }),
  'takes a prefix for a folder': (inner) => ({
    list: (prefix, how) => inner.list(prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`, how),
  }),
  'lists temporary objects': (inner) => ({
    put: async (name, body, how) => {
      await inner.put(`${name}.tmp`, body, { ...how, ifAbsent: false })
      return inner.put(name, body, how)
    },
  }),
  'yields empty batches': (inner) => ({
    async *list(prefix, how) {
      yield* inner.list(prefix, how)
      yield []
    },
  }),
  'forgets the reason of an abort': (inner) => ({
    get: (name, how) => {
      if (how.signal.aborted) return Promise.reject(new Error('aborted'))
      return inner.get(name, how)
    },
  }),
  'does not hear an abort': (inner) => ({
    put: (name, body, how) => inner.put(name, body, { ...how, signal: new AbortController().signal }),
  }),
  'lists on after an abort': (inner) => ({
    async *list(prefix, { signal, after }) {
      signal.throwIfAborted()
      yield* inner.list(prefix, { signal: new AbortController().signal, after })
    },
  }),
  'drops the empty object': (inner) => ({
    put: async (name, body, how) => (body.length === 0 ? 'stored' : inner.put(name, body, how)),
  }),
  'caches what it saw': (inner) => {
    const seen = new Map<string, Uint8Array>()
    return {
      get: async (name, how) => {
        if (how.range !== undefined) return inner.get(name, how)
        const body = seen.get(name) ?? (await inner.get(name, how))
        seen.set(name, body)
        return body.slice()
      },
    }
  },
}

describe('the suite for storages finds one that', () => {
  for (const [defect, breaking] of Object.entries(defects))
    test(defect, async () => {
      const objects: MemoryPlace = new Map()
      const place = async (): Promise<Storage> => {
        const inner = memoryStorage({ place: objects })
        return { ...inner, ...breaking(inner, objects) }
      }
      expect(await failing(storageConformance({ place }))).not.toEqual([])
    })
})

test('cases that need what is not expected are skipped, and say so', async () => {
  const objects: MemoryPlace = new Map()
  const capabilities = { putIfAbsent: false, list: false }
  const place = async () => memoryStorage({ place: objects, capabilities })
  const cases = storageConformance({ place, expect: capabilities })
  expect(await failing(cases)).toEqual([])
  const skipped = cases.filter((c) => c.skipped)
  expect(skipped.every((c) => /\(skipped: no (putIfAbsent|list|paces)\)$/.test(c.name))).toBe(true)
  expect(skipped.length).toBeGreaterThan(5)
  expect(cases.filter((c) => !c.skipped && (c.needs === 'list' || c.needs === 'putIfAbsent'))).toEqual([])
})

/** The names of the cases that fail; the heavy ones are left out. */
async function failing(cases: readonly Case[]): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of cases)
    if (!/100 MB|5,000/.test(name))
      await run().catch(() => {
        failed.push(name)
      })
  return failed
}
