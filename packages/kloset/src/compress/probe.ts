import { lz4Compress } from './lz4.js'

/**
 * Whether trying to compress these bytes is worth the time: false only for what looks random, as media, archives and ciphertext do.
 * Costs some tens of microseconds however many bytes there are: it looks at 4 KiB of them, and where those look random, tries
 * LZ4 on two places of 8 KiB. Text in any encoding, source code and sparse data always pass.
 */
export function looksCompressible(sample: Uint8Array): boolean {
  if (sample.length < leastSample) return true
  return isSkewed(sample) || hasRepeats(sample)
}

// Of fewer bytes a histogram says nothing, and trying is as cheap as looking.
const leastSample = 512

const spots = 16
const spotSize = 256

/**
 * Whether two bytes are equal noticeably more often than one time in 256. In random bytes the rate over 4 KiB strays from that
 * by half a percent; text is at 4 times (base64) to 20. A quarter more often is about where an entropy coder would save 3 %.
 */
function isSkewed(sample: Uint8Array): boolean {
  const counts = new Uint32Array(256)
  const length = Math.min(sample.length, spots * spotSize)
  const stride = sample.length <= length ? spotSize : (sample.length - spotSize) / (spots - 1)
  let counted = 0
  for (let spot = 0; spot < spots; spot++) {
    const from = Math.floor(spot * stride)
    const to = Math.min(from + spotSize, sample.length)
    for (let i = from; i < to; i++) counts[sample[i]!]!++
    counted += Math.max(0, to - from)
  }
  let pairs = 0
  for (const count of counts) pairs += count * (count - 1)
  return pairs * 256 > 1.25 * counted * (counted - 1)
}

const trialSize = 8192

/** Whether LZ4 finds enough repeats at one of two places: what a histogram cannot see. */
function hasRepeats(sample: Uint8Array): boolean {
  const middle = sample.length >>> 1
  const places = sample.length <= 2 * trialSize ? [0] : [0, middle]
  // Copies, both of them first: compressing may grow kernel memory, and the sample may be a view of it, which that detaches.
  const trials = places.map((from) => sample.slice(from, from + trialSize))
  return trials.some((trial) => lz4Compress(trial, Math.floor(trial.length * 0.97)) !== undefined)
}
