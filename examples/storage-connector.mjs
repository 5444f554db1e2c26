// A storage for kloset that kloset does not know: objects in a key-value service. It proves itself with the conformance suite,
// and then holds a store.
import assert from 'node:assert/strict'
import { createStore } from 'kloset'
import { storageConformance } from 'kloset/conformance'
import { KlosetError, sourceOf } from 'kloset/connector'

// Stands for the service: one map of objects a bucket.
const buckets = new Map()

/** Objects in a bucket of the service. It never retries: it throws, and the engine tries again. */
function bucketStorage(bucket) {
  const objects = buckets.get(bucket) ?? new Map()
  buckets.set(bucket, objects)
  return {
    location: `kv://${bucket}`,
    capabilities: { write: true, list: true, putIfAbsent: true, concurrency: 8 },

    async put(name, body, { signal, ifAbsent }) {
      signal.throwIfAborted()
      if (ifAbsent && objects.has(name)) return 'exists'
      objects.set(name, body.slice())
      return 'stored'
    },

    async get(name, { signal, range }) {
      signal.throwIfAborted()
      const object = objects.get(name)
      const { offset, length } = range ?? { offset: 0, length: object?.length ?? 0 }
      if (object === undefined || offset + length > object.length) {
        throw new KlosetError('KLOSET_NOT_FOUND', `${name} is not in ${bucket}, or is shorter than asked for`)
      }
      return object.slice(offset, offset + length)
    },

    async stat(name, { signal }) {
      signal.throwIfAborted()
      const object = objects.get(name)
      return object === undefined ? undefined : { size: object.length }
    },

    async *list(prefix, { signal, after = '' }) {
      const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort()
      for (let at = 0; at < names.length; at += 1_000) {
        signal.throwIfAborted()
        // What was removed since the names were taken is left out.
        const there = names.slice(at, at + 1_000).filter((name) => objects.has(name))
        if (there.length > 0) yield there.map((name) => ({ name, size: objects.get(name).length }))
      }
    },

    async remove(names, { signal }) {
      signal.throwIfAborted()
      for (const name of names) objects.delete(name)
    },

    async close() {},
  }
}

const cases = storageConformance({ place: async () => bucketStorage('suite'), expect: { putIfAbsent: true } })
for (const { name, run } of cases) {
  await run().catch((error) => assert.fail(`${name}: ${error.message}`))
}
console.log(`${cases.length} cases of the conformance suite passed`)

/** With this, locations such as kv://bucket work wherever kloset takes a location. */
const kv = { contract: 1, name: 'kv', protocols: ['kv'], options: {}, storage: async (at) => bucketStorage(at.host) }

const store = await createStore('kv://backups', { unlock: { passphrase: 'a secret' }, connectors: [kv] })
const source = sourceOf({ type: 'note', origin: 'example', root: '' }, async function* () {
  yield { path: 'hello.txt', content: 'Hello.\n' }
})
const { snapshot } = await store.backup(source)
assert.equal(await (await snapshot.open('hello.txt')).text(), 'Hello.\n')
console.log(`a store of ${buckets.get('backups').size} objects holds ${snapshot.id.slice(0, 8)}`)
await store.close()
