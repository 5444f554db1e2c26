// Compiled and run against the packed packages by scripts/packages.mjs.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { fs } from '@kloset/connector-fs'
import { s3 } from '@kloset/connector-s3'
import { sftp } from '@kloset/connector-sftp'
import { serveWebdav } from '@kloset/serve'
import { createStore, type Store } from 'kloset'

const work = mkdtempSync('smoke-')
mkdirSync(`${work}/source`)
writeFileSync(`${work}/source/hello.txt`, 'Hello, stranger.\n')

const store: Store = await createStore(`${work}/store`, {
  unlock: { passphrase: 'a secret' },
  connectors: [fs, s3, sftp],
})
const { snapshot } = await store.backup(`${work}/source`)
if (snapshot === undefined) throw new Error('no snapshot')
for await (const finding of store.check({ read: 'all' })) throw new Error(finding.message)
await store.restore(snapshot, `${work}/restored`)
const server = await serveWebdav(store, { port: 0, login: null })
const served = await (await fetch(`${server.url}latest/hello.txt`)).text()
await server.close()
await store.close()
if (![served, readFileSync(`${work}/restored/hello.txt`, 'utf8')].every((text) => text === 'Hello, stranger.\n'))
  throw new Error('something else came back')
console.log(`Backed up, checked, restored and served with the packed packages: snapshot ${snapshot.id.slice(0, 8)}.`)
