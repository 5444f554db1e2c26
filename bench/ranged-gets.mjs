// What a client reaches that does nothing but read: every pack of a store on S3, 8 MiB a request, as many requests at once as the connector
// does well; what is read is thrown away. `node bench/ranged-gets.mjs s3://…`, with the keys in the environment as for kloset.
import process from 'node:process'
import { s3 } from '../packages/connector-s3/dist/index.js'
import { Registry } from '../packages/kloset/dist/connector.js'

const piece = 8 << 20
const signal = new AbortController().signal
const storage = await new Registry([s3]).storage(process.argv[2], {
  mode: 'read',
  signal,
  env: process.env,
  log: () => undefined,
  memory: { get: async () => undefined, set: async () => undefined },
})
const ranges = []
for await (const batch of storage.list('packs/', { signal, after: undefined })) {
  for (const { name, size } of batch) {
    for (let offset = 0; offset < size; offset += piece)
      ranges.push({ name, range: { offset, length: Math.min(piece, size - offset) } })
  }
}
let next = 0
await Promise.all(
  Array.from({ length: storage.capabilities.concurrency }, async () => {
    for (let each = ranges[next++]; each !== undefined; each = ranges[next++])
      await storage.get(each.name, { signal, range: each.range })
  }),
)
await storage.close()
