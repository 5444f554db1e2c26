import type { Call, Storage } from '../connector/index.js'
import { isKlosetError } from '../errors.js'

/**
 * Does what makes room. Where the place is too full even for that, it is done again with what the place has set aside, which is set aside
 * again afterwards, as far as there is room for it by then.
 */
export async function makingRoom<T>({ reserve }: Storage, call: Call, work: () => Promise<T>): Promise<T> {
  if (reserve === undefined) return work()
  // What was done counts, whether or not there is room again.
  const keep = (): Promise<void> => reserve.keep(call).catch(() => undefined)
  try {
    const result = await work()
    await keep()
    return result
  } catch (error) {
    if (!isKlosetError(error, 'KLOSET_FULL') || !(await reserve.release(call))) throw error
  }
  return work().finally(keep)
}
