// Restores in a process of its own: `node restore-child.mjs STORE TARGET`. Tells each file it restored.
import { createEngine, openStore } from 'kloset'
import { fs } from '../../dist/index.js'

const [, , at, target] = process.argv
const engine = createEngine({ workers: 2 })
const store = await openStore(at, { unlock: { plaintext: true }, connectors: [fs], engine })
console.log('opened')
await store.restore('latest', target, {
  entries: true,
  onEvent: (event) => {
    if (event.type === 'restored') console.log(`restored ${event.path}`)
  },
})
await store.close()
await engine.close()
