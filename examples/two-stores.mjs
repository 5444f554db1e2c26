// Two copies are better than one: back up into one store, synchronize it with another, and restore from that when the first is gone.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fs } from '@kloset/connector-fs'
import { copiesOf, createStore } from 'kloset'

const work = await mkdtemp(join(tmpdir(), 'kloset-example-'))
const photos = join(work, 'photos')
await mkdir(photos)
await writeFile(join(photos, 'cat.txt'), 'a cat, described\n')

const connectors = [fs]
const near = await createStore(join(work, 'near'), { unlock: { passphrase: 'near and dear' }, connectors })
// A store like the other, with a passphrase of its own: what goes from one to the other is neither cut nor compressed again.
const far = await createStore(join(work, 'far'), { unlock: { passphrase: 'far away' }, like: near, connectors })

const { snapshot } = await near.backup(photos)
const { synchronized, sent } = await near.syncTo(far)
console.log(`synchronized ${synchronized.length} snapshot, ${sent} bytes sent`)
assert.equal(synchronized[0].id, snapshot.id)

// A second time there is nothing to do.
assert.equal((await near.syncTo(far)).present, 1)
for (const { snapshot, places } of await copiesOf([near, far])) console.log(snapshot.id.slice(0, 8), ...places)

await near.close()
await rm(join(work, 'near'), { recursive: true })
await far.restore(snapshot.id, join(work, 'restored'))
assert.equal(await readFile(join(work, 'restored', 'cat.txt'), 'utf8'), 'a cat, described\n')

await far.close()
await rm(work, { recursive: true })
