// Back up something that is no file: rows of an app's database, one store a tenant, unlocked by a key the app keeps.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fs } from '@kloset/connector-fs'
import { createStore } from 'kloset'
import { sourceOf } from 'kloset/connector'

const work = await mkdtemp(join(tmpdir(), 'kloset-example-'))
const table = new Map(
  Array.from({ length: 500 }, (_, id) => [id, { id, name: `Customer ${id}`, updatedAt: new Date('2026-01-01') }]),
)

// Each row is a virtual file. `version` decides whether it changed: rows of the same version are not serialised again.
const rows = () =>
  sourceOf({ type: 'rows', origin: 'tenant-42', root: 'customers' }, async function* () {
    for (const row of table.values()) {
      const path = `customers/${row.id}.json`
      yield { path, version: row.updatedAt.toISOString(), content: JSON.stringify(row) }
    }
  })

// A key needs no derivation: opening takes no time and no memory, however many tenants there are.
const key = randomBytes(32)
const store = await createStore(join(work, 'tenant-42'), { unlock: { key }, connectors: [fs] })
const first = await store.backup(rows())
console.log(`first backup: ${first.changes.new} new`)

table.set(7, { ...table.get(7), name: 'Customer Seven', updatedAt: new Date('2026-02-02') })
const second = await store.backup(rows())
console.log(`second backup: ${second.changes.changed} changed, ${second.changes.unchanged} unchanged`)
assert.equal(second.changes.changed, 1)

// What the row was before.
const before = await first.snapshot.open('customers/7.json')
const after = await second.snapshot.open('customers/7.json')
console.log(`row 7: ${JSON.parse(await before.text()).name} → ${JSON.parse(await after.text()).name}`)
assert.equal(JSON.parse(await before.text()).name, 'Customer 7')
assert.equal(JSON.parse(await after.text()).name, 'Customer Seven')

await store.close()
await rm(work, { recursive: true })
