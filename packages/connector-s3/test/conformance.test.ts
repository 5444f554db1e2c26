import { limited, metered, retrying, throttled } from 'kloset'
import { storageConformance } from 'kloset/conformance'
import type { Storage } from 'kloset/connector'
import { describe, test } from 'vitest'
import { givenS3 } from '../../../testing/given.js'
import { keysOf, locate, newBucket, noServer, type Options, open } from './places.js'

const server = givenS3()

/** Opens one and the same place of a new bucket, each time as another client of it. */
function placeAt(endpoint: string, more: Options = {}): () => Promise<Storage> {
  const at = locate({ endpoint }, newBucket(), 'some/prefix')
  const memory = new Map<string, string>()
  return () =>
    open(at, { mode: memory.size === 0 ? 'create' : 'write', options: { ...keysOf(server!), ...more }, memory })
}

describe.skipIf(server === undefined)(`s3 storage (${server?.endpoint ?? noServer})`, () => {
  const place = placeAt(server?.endpoint ?? 'http://none')
  for (const c of storageConformance({ place, expect: { paces: true } })) test(c.name, c.run, c.timeout)
})

describe.skipIf(server === undefined)(
  's3 storage with the bucket in the name of the host, in a stack of wrappers',
  () => {
    const wrap = (storage: Storage) =>
      metered(retrying(limited(throttled(storage, { upload: 1e12, download: 1e12 }), 8), { firstDelay: 1 }))
    // The server has this name besides its address.
    const byName = (server?.endpoint ?? 'http://none').replace('127.0.0.1', 's3.localhost')
    const inner = placeAt(byName, {
      'path-style': false,
      checksums: 'md5',
      'multipart-threshold': 9_000_000,
      'part-size': 5_242_880,
    })
    const place = async () => wrap(await inner())
    for (const c of storageConformance({ place, expect: { paces: true } })) test(c.name, c.run, c.timeout)
  },
)
