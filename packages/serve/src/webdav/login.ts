import { createHash, timingSafeEqual } from 'node:crypto'

/** Who may log in. */
export interface Login {
  readonly user: string
  readonly password: string
}

/** What a login came to: `wait` where too many are being refused already. */
export type Verdict = 'let in' | 'ask' | 'refused' | 'wait'

/** Milliseconds after which a wrong password is told to be wrong: more each time, up to the last. */
const delays = [250, 500, 1_000, 2_000, 4_000]

/** How many wrong passwords of one address may be waiting at a time. */
const mostWaiting = 8

/** How many addresses are remembered; those that failed first are forgotten first. */
const mostAddresses = 1_000

/** Decides about HTTP's Basic authentication (RFC 7617). Guessing is slow, also by many connections of one address. */
export class Door {
  readonly #expected: Buffer
  readonly #failures = new Map<string, { count: number; waiting: number }>()

  constructor({ user, password }: Login) {
    this.#expected = digestOf(`${user}:${password}`)
  }

  /** What to do with a request. Resolves late where the password is wrong. */
  async verdict(authorization: string | undefined, address: string): Promise<Verdict> {
    const [, encoded] = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization ?? '') ?? []
    if (encoded === undefined) return 'ask'
    const failure = this.#failures.get(address)
    if (failure !== undefined && failure.waiting >= mostWaiting) return 'wait'
    // Of digests, it takes as long to compare any two.
    if (timingSafeEqual(digestOf(Buffer.from(encoded, 'base64')), this.#expected)) {
      this.#failures.delete(address)
      return 'let in'
    }
    await this.#delay(address)
    return 'refused'
  }

  async #delay(address: string): Promise<void> {
    const failure = this.#failures.get(address) ?? { count: 0, waiting: 0 }
    this.#failures.set(address, failure)
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= mostAddresses) break
      this.#failures.delete(oldest)
    }
    const delay = delays[Math.min(failure.count, delays.length - 1)]
    failure.count++
    failure.waiting++
    await new Promise((resolve) => setTimeout(resolve, delay))
    failure.waiting--
  }
}

function digestOf(credentials: string | Buffer): Buffer {
  return createHash('sha256').update(credentials).digest()
}
