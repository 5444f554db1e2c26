import type { Storage } from '../connector/contract.js'
import { type Around, listingThrough, throughEach } from './around.js'
import { Slots } from './slots.js'

/**
 * `storage` with at most `concurrency` calls at once, by default as many as it says it serves well; the others wait their turn.
 * A batch of a listing is a call.
 */
export function limited(storage: Storage, concurrency: number = storage.capabilities.concurrency): Storage {
  const slots = new Slots(concurrency)
  const around: Around = (_, signal, call) => slots.run(signal, call)
  const wrapped = throughEach(storage, around, listingThrough(storage, around))
  return { ...wrapped, capabilities: { ...storage.capabilities, concurrency } }
}
