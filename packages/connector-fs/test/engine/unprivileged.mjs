// Restores the latest snapshot of a plaintext store as another user; a process cannot be root again. Prints the result.
import { createEngine, openStore } from 'kloset'
import { fs } from '../../dist/index.js'

const [at, target, options = '{}', uid = '65534'] = process.argv.slice(2)
process.setgroups([])
process.setgid(Number(uid))
process.setuid(Number(uid))
const engine = createEngine({ workers: 2 })
const store = await openStore(at, { unlock: { plaintext: true }, engine, connectors: [fs], mode: 'read' })
const { failed, leftOut, totals } = await store.restore('latest', target, { options: JSON.parse(options) })
await store.close()
await engine.close()
console.log(JSON.stringify({ failed: failed.map(({ path, error }) => `${path}: ${error.message}`), leftOut, totals }))
