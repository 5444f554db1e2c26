// The chunker alone: what two versions of a file have in common, though bytes were inserted near the start.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chunks } from 'kloset/chunk'

const sizes = { min: 2_048, normal: 8_192, max: 65_536 }
const first = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${(i * 7919) % 100_003}\n`).join(''))
const second = Buffer.concat([first.subarray(0, 1_000), Buffer.from('some new lines\n'), first.subarray(1_000)])

const [before, after] = [await digests(first), await digests(second)]
const known = new Set(before.map(({ digest }) => digest))
const fresh = after.filter(({ digest }) => !known.has(digest))
const bytes = fresh.reduce((sum, { length }) => sum + length, 0)

console.log(
  `${before.length} chunks; of the ${after.length} of the second version ${fresh.length} are new: ${bytes} bytes`,
)
assert.ok(bytes < second.length / 50)

// Cutting is decided by content alone: it does not matter in which pieces the bytes arrive.
async function* pieces(bytes, length) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function digests(bytes) {
  const found = []
  for await (const chunk of chunks(pieces(bytes, 10_000), { sizes })) {
    found.push({ length: chunk.length, digest: createHash('sha256').update(chunk).digest('hex') })
  }
  return found
}
