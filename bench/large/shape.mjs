// A store as it is after years: what the figures of `bench/large.mjs` are about.

/** 64 KiB a chunk on average, 16 of them in a frame, 20 frames in a pack. */
export const chunkSize = 64 * 1024
export const chunksInFrame = 16
export const framesInPack = 20
export const recordsInSegment = 1024 * 1024

export const passphrase = 'correct horse battery staple'

/** The id of chunk number `i`: as different from the others as hashes are, and the same each time. */
export function putId(words, at, i) {
  // splitmix32, from a seed of its own for each
  let state = Math.imul(i + 1, 0x85ebca6b) >>> 0
  for (let word = 0; word < 8; word++) {
    state = (state + 0x9e3779b9 + i) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    words[at + word] = z ^ (z >>> 15)
  }
}
