// The pack format alone: small blobs gathered into frames, compressed and sealed into one file, and read back verified.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { blake3 } from '@noble/hashes/blake3.js'
import { createKeyring, openPack, PackWriter, packBlobs } from 'kloset/pack'

const keyring = createKeyring({
  encryption: 'aes-256-gcm',
  storeId: randomBytes(16),
  secret: randomBytes(32),
  auth: randomBytes(32),
  epochs: [randomBytes(32)],
})

const packs = []
const writer = new PackWriter({
  keyring,
  class: 'data',
  packSize: 1 << 20,
  frameSize: 64 << 10,
  codec: 'lz4',
  onPack: (pack) => packs.push(pack),
})
const messages = Array.from({ length: 500 }, (_, i) => Buffer.from(`Message ${i}: the quick brown fox. `.repeat(50)))
// A blob's id is BLAKE3 of its content under a key, so that nobody can tell from the ids what is stored.
for (const message of messages) writer.addBytes(blake3(message, { key: keyring.chunkKey }), message)
writer.flush()
writer.release()

const raw = messages.reduce((sum, message) => sum + message.length, 0)
console.log(`${messages.length} blobs of ${raw} bytes in ${packs.length} pack of ${packs[0].file.length} bytes`)

const read = packs.flatMap(({ name, file }) => [...packBlobs(openPack(keyring, name, file), file, keyring.chunkKey)])
assert.deepEqual(
  read.map(({ bytes }) => Buffer.from(bytes).toString()),
  messages.map(String),
)

// One flipped bit anywhere is noticed.
const damaged = packs[0].file.slice()
damaged[1_000] ^= 1
assert.throws(() => openPack(keyring, packs[0].name, damaged), { code: 'KLOSET_PACK_CORRUPT' })
console.log('every blob came back; a damaged pack was refused')
