// Serve a file straight out of a snapshot over HTTP, with range requests: what a video player or a download that resumes asks for.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fs } from '@kloset/connector-fs'
import { createStore } from 'kloset'
import { sourceOf } from 'kloset/connector'

const work = await mkdtemp(join(tmpdir(), 'kloset-example-'))
const film = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * i) >>> 7)
const films = sourceOf({ type: 'films', origin: 'example', root: '' }, async function* () {
  yield { path: 'film.bin', content: film }
})
const store = await createStore(join(work, 'store'), { unlock: { plaintext: true }, connectors: [fs] })
const { snapshot } = await store.backup(films)

const server = createServer(async (request, response) => {
  const file = await snapshot.open(decodeURIComponent(request.url.slice(1)))
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  if (first === undefined) {
    response.writeHead(200, { 'content-length': file.size, 'accept-ranges': 'bytes' })
    Readable.fromWeb(file.stream()).pipe(response)
    return
  }
  const [start, end] = [Number(first), last === '' ? file.size : Math.min(Number(last) + 1, file.size)]
  response.writeHead(206, { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${file.size}` })
  // Only the pieces of the file that overlap the range are fetched, decrypted and verified.
  Readable.fromWeb(file.stream({ start, end })).pipe(response)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${server.address().port}/film.bin`

const part = await fetch(url, { headers: { range: 'bytes=3000000-3000999' } })
console.log(`${part.status} ${part.headers.get('content-range')}`)
assert.equal(part.status, 206)
assert.deepEqual(new Uint8Array(await part.arrayBuffer()), film.slice(3_000_000, 3_001_000))

const whole = await fetch(url)
assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), film)
console.log(`${whole.status} ${whole.headers.get('content-length')} bytes`)

server.close()
server.closeAllConnections()
await store.close()
await rm(work, { recursive: true })
