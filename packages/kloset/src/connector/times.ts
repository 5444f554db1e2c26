/** The time nearest to one in nanoseconds since 1970 that a snapshot can hold: 64 bits of them, from September 1677 to April 2262. */
export function nearestTime(time: bigint): bigint {
  return time > latest ? latest : time < earliest ? earliest : time
}

const latest = 2n ** 63n - 1n
const earliest = -(2n ** 63n)
