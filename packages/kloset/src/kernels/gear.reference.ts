/**
 * Length of the first chunk of `bytes`; their own length where they hold no cut point. The twin of the gear kernel: docs/format.md,
 * "Chunks", word for word. `gear` holds 256 values of 64 bits.
 */
export function cutReference(
  gear: readonly bigint[],
  bytes: Uint8Array,
  min: number,
  normal: number,
  max: number,
): number {
  const bits = BigInt(Math.log2(normal))
  let hash = 0n
  for (let i = min + 1; i <= bytes.length; i++) {
    hash = BigInt.asUintN(64, (hash << 1n) + gear[bytes[i - 1]!]!)
    if (i <= normal && hash >> (64n - bits - 2n) === 0n) return i
    if (i > normal && hash >> (64n - bits + 2n) === 0n) return i
    if (i === max) return i
  }
  return bytes.length
}
