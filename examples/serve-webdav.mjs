// Serve all snapshots of a store over WebDAV, where a file manager, a browser or rclone can look into them.
import assert from 'node:assert/strict'
import { serveWebdav } from '@kloset/serve'
import { createStore, memoryStorage } from 'kloset'
import { sourceOf } from 'kloset/connector'

const store = await createStore(memoryStorage(), { unlock: { plaintext: true } })
const notes = (content) =>
  sourceOf({ type: 'notes', origin: 'example', root: 'notes' }, async function* () {
    yield { path: 'today.md', content }
  })
await store.backup(notes('# First\n'), { host: 'laptop', tags: ['daily'] })
await store.backup(notes('# Second, and longer\n'), { host: 'laptop' })

const login = { user: 'ada', password: 'only for this example' }
const server = await serveWebdav(store, { port: 0, login })
console.log(`listening at ${server.url}`)

const authorization = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`
const get = (path, headers = {}) => fetch(new URL(path, server.url), { headers: { authorization, ...headers } })

assert.equal((await fetch(server.url)).status, 401)
assert.equal(await (await get('latest/today.md')).text(), '# Second, and longer\n')
assert.equal(await (await get('tags/daily/latest/today.md')).text(), '# First\n')

const part = await get('hosts/laptop/latest/today.md', { range: 'bytes=2-7' })
console.log(`${part.status} ${part.headers.get('content-range')}`)
assert.equal(await part.text(), 'Second')

await server.close()
await store.close()
