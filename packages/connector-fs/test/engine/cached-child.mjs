// A process that backs up a folder a few times, or lists, with a cache and a memory that it shares with others. Prints how many requests
// the last of it took.
import { join } from 'node:path'
import { openStore } from 'kloset'
import { fs } from '../../dist/index.js'

const [, , at, source, machine, verb] = process.argv
let last = 0
for (let round = 0; round < (verb === 'ls' ? 1 : 5); round++) {
  const store = await openStore(at, {
    unlock: { plaintext: true },
    connectors: [fs],
    cache: { folder: join(machine, 'cache') },
    remember: join(machine, 'state'),
    onNotice: (notice) => console.log(notice.message),
  })
  if (verb === 'ls') for await (const _ of store.snapshots());
  else await store.backup(source)
  const { put, get, stat, list } = store.requests
  last = put + get + stat + list
  await store.close()
}
console.log(`done ${last}`)
process.exit(0)
