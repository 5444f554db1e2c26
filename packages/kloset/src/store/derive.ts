import { type Bytes, toHex } from '../bytes/index.js'
import { defaultCosts, giveUp, newCounters, passphraseKey } from '../crypto/index.js'
import type { JobSet, Pool } from '../runtime/pool.js'
import type { DeriveMessage, Group } from './derive-job.js'

/**
 * Derives the keys of passphrases, each once, in threads: it takes a third of a second of CPU, for which an app's thread must not stand still, and
 * which a command waits for. The threads start at once, before it is known what to derive from.
 */
export class Deriving {
  readonly #own: Pool | undefined
  readonly #jobs: Promise<JobSet> | undefined
  readonly #derived = new Map<string, Promise<Bytes>>()

  /**
   * `stay`: the pool's own threads do it, which are needed later anyway; otherwise others, which end with {@link close}. No pool: the runtime has threads
   * for it.
   */
  constructor(pool: Pool | undefined, stay: boolean) {
    this.#own = stay ? undefined : pool?.beside(defaultCosts.lanes)
    this.#jobs = (this.#own ?? pool)?.start('derive', undefined)
    // Whoever derives hears.
    this.#jobs?.catch(() => undefined)
  }

  /** As {@link passphraseKey}, each key only once. */
  readonly derive: typeof passphraseKey = (passphrase, salt, costs) => {
    const key = `${toHex(salt)} ${JSON.stringify(costs)}`
    const found = this.#derived.get(key) ?? this.#compute({ passphrase, salt, costs })
    this.#derived.set(key, found)
    return found
  }

  /** Nobody has to wait for it. */
  close(): void {
    const closed = this.#own?.close() ?? this.#jobs?.then((jobs) => jobs.end())
    closed?.catch(() => undefined)
  }

  async #compute(message: DeriveMessage): Promise<Bytes> {
    const jobs = await this.#jobs
    if (jobs === undefined) return passphraseKey(message.passphrase, message.salt, message.costs)
    const threads = Math.min(message.costs.lanes, jobs.size)
    if (threads === 1 || typeof SharedArrayBuffer === 'undefined') return (await jobs.call(0, message)) as Bytes
    return computeTogether(jobs, threads, message)
  }
}

async function computeTogether(jobs: JobSet, threads: number, message: DeriveMessage): Promise<Bytes> {
  const counters = newCounters(true)
  const channels = Array.from({ length: threads - 1 }, () => new MessageChannel())
  const ask = (worker: number, role: Group['role'], ports: readonly MessagePort[]): Promise<Bytes | undefined> =>
    jobs.call(worker, { ...message, group: { counters, role } }, ports) as Promise<Bytes | undefined>
  const give = channels.map(({ port1 }) => port1)
  const parts = [ask(0, { give }, give), ...channels.map(({ port2 }, i) => ask(i + 1, { get: port2 }, [port2]))]
  try {
    const keys = await Promise.all(parts)
    return keys.find((key) => key !== undefined)!
  } catch (error) {
    // Or those that wait for the one that failed would never do anything else.
    giveUp(counters)
    throw error
  }
}
