/**
 * The last of the ascending `fences` that is below `value`, by number; −1 where none is. Ids are hashes, so the place follows from the
 * value but for some steps; were they not, it would be found by doubling those.
 */
export function lastBelow(fences: Uint32Array, value: number): number {
  const { length } = fences
  if (length === 0 || fences[0]! >= value) return -1
  let low = Math.floor((value / 0x1_0000_0000) * length)
  let step = 1
  // Downwards until it is below, then upwards until it is not: what is sought is in [low, high).
  let high = low + 1
  while (fences[low]! >= value) {
    high = low
    low = Math.max(0, low - step)
    step *= 2
  }
  for (step = 1; high < length && fences[high]! < value; step *= 2) {
    low = high
    high = Math.min(length, high + step)
  }
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (fences[middle]! < value) low = middle
    else high = middle
  }
  return low
}
