// Backs up in a process of its own: `node child.mjs STORE FOLDER [EMPTY-FOLDER]`. Tells each object it stored, and at last the result.
// With a third folder it gives up being root before it begins, once everything it needs is loaded.
import { createEngine, openStore } from 'kloset'
import { fs } from '../../dist/index.js'

const [, , at, folder, empty] = process.argv
const engine = createEngine({ workers: 2 })
const store = await openStore(at, { unlock: { plaintext: true }, connectors: [fs], engine })
if (empty !== undefined) {
  await store.backup(empty, { dryRun: true })
  process.setgroups([])
  process.setgid(65_534)
  process.setuid(65_534)
}
const { failed, totals, changes, added } = await store.backup(folder, {
  onEvent: (event) => {
    if (event.type === 'stored') console.log(`stored ${event.object}`)
  },
})
console.log(
  JSON.stringify({ failed: failed.map(({ path, error }) => ({ path, code: error.code })), totals, changes, added }),
)
await store.close()
await engine.close()
