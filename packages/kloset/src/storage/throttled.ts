import type { Call, Paced, Storage } from '../connector/contract.js'
import { wait } from './wait.js'

/** The most bytes a second each way; absent: as fast as it goes. */
export interface Bandwidth {
  readonly upload?: number | undefined
  readonly download?: number | undefined
}

/**
 * `storage` slowed down to `bandwidth` (a token bucket that may go into debt, with a second's worth to start from). One that paces asks for
 * each piece of a body; of another, each body goes whole, and waits until all before it could have passed at that speed.
 */
export function throttled(storage: Storage, bandwidth: Bandwidth): Storage {
  const upload = bucketOf(bandwidth.upload)
  const download = bucketOf(bandwidth.download)
  const paces = storage.capabilities.paces === true
  const usage = storage.usage?.bind(storage)
  return {
    location: storage.location,
    ...(storage.paths && { paths: storage.paths }),
    capabilities: storage.capabilities,

    async put(name, body, how) {
      if (paces) return storage.put(name, body, { ...how, pace: paceOf(upload, how) })
      await upload?.take(body.length, how.signal)
      return storage.put(name, body, how)
    },

    async get(name, how) {
      if (paces) return storage.get(name, { ...how, pace: paceOf(download, how) })
      await download?.take(how.range?.length ?? 0, how.signal)
      const body = await storage.get(name, how)
      // How long a whole object is shows only now, so whoever comes next waits for it.
      if (how.range === undefined) download?.spend(body.length)
      return body
    },

    stat: (name, how) => storage.stat(name, how),
    list: (prefix, how) => storage.list(prefix, how),
    remove: (names, how) => storage.remove(names, how),
    ...(storage.reserve && { reserve: storage.reserve }),
    ...(usage && { usage }),
    close: () => storage.close(),
  }
}

function bucketOf(rate: number | undefined): Bucket | undefined {
  return rate === undefined ? undefined : new Bucket(rate)
}

/** The pace of this limit, and of whoever limits besides. */
function paceOf(bucket: Bucket | undefined, { pace, signal }: Call & Paced): Paced['pace'] {
  if (bucket === undefined) return pace
  return async (bytes) => {
    await pace?.(bytes)
    await bucket.take(bytes, signal)
  }
}

class Bucket {
  readonly #rate: number
  #tokens: number
  #filled: number

  constructor(rate: number) {
    if (!(rate > 0 && Number.isFinite(rate))) throw new RangeError('the bandwidth must be a number of bytes a second')
    this.#rate = rate
    this.#tokens = rate
    this.#filled = performance.now()
  }

  /** Takes `bytes` and waits until the debt of those before is paid. What is aborted while it waits gives them back. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#fill()
    const debt = -this.#tokens
    this.#tokens -= bytes
    if (debt <= 0) return
    try {
      await wait((debt / this.#rate) * 1000, signal)
    } catch (error) {
      this.#tokens += bytes
      throw error
    }
  }

  /** Takes `bytes` that have passed already. */
  spend(bytes: number): void {
    this.#fill()
    this.#tokens -= bytes
  }

  #fill(): void {
    const now = performance.now()
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#filled) / 1000) * this.#rate)
    this.#filled = now
  }
}
