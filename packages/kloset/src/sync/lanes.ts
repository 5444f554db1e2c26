/** Runs `act` on all items in their order, so many at a time. Where one fails, the others end what they are at before it is thrown. */
export async function eachOf<T>(items: Iterable<T>, lanes: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    try {
      for (let next = left.next(); !next.done && !failed; next = left.next()) await act(next.value)
    } catch (error) {
      failed = true
      throw error
    }
  }
  const all = Array.from({ length: lanes }, lane)
  await Promise.allSettled(all)
  await Promise.all(all)
}
