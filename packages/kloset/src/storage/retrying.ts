import type { Storage } from '../connector/contract.js'
import { isKlosetError } from '../errors.js'
import { type Around, type List, type RequestKind, throughEach } from './around.js'
import { wait } from './wait.js'

/** How often and how long to try. */
export interface RetryPolicy {
  /** Calls at most, the first included. Default 10: with the other defaults up to a minute and a half. */
  readonly attempts?: number
  /** Longest wait before the second attempt, in milliseconds; it doubles from attempt to attempt. Default 250. */
  readonly firstDelay?: number
  /** Longest wait before any attempt, in milliseconds. Default 30,000. What the storage asks for may be longer. */
  readonly longestDelay?: number
  /** Told before each wait. */
  readonly onRetry?: (retry: Retry) => void
  /** A number from 0 (included) to 1 (excluded); default `Math.random`. */
  readonly random?: () => number
}

/** A call that failed and will be made again. */
export interface Retry {
  readonly kind: RequestKind | 'open'
  /** How many attempts failed so far. */
  readonly attempt: number
  readonly error: unknown
  /** Milliseconds until the next one. */
  readonly delay: number
}

/**
 * `storage` with failed calls made again where that may help: errors that say `retry: 'later'`, and those of a network that
 * failed. Waits are random below a bound that doubles ("full jitter", AWS Architecture Blog, 2015), and never shorter than
 * what the other side asked for. A listing goes on after the last name it gave.
 *
 * A put with `ifAbsent` whose answer was lost may have stored the object: when it is made again the answer is then `exists`,
 * which is what the storage says. Who needs to know whose object it is looks at what it holds.
 */
export function retrying(storage: Storage, policy: RetryPolicy = {}): Storage {
  const around: Around = (kind, signal, call) => repeat(kind, signal, policy, call)
  const list: List = async function* (prefix, how) {
    let after = how.after
    let failed = 0
    for (;;) {
      try {
        for await (const batch of storage.list(prefix, { ...how, after })) {
          yield batch
          after = batch.at(-1)?.name ?? after
          failed = 0
        }
        return
      } catch (error) {
        failed++
        await pause('list', how.signal, policy, failed, error)
      }
    }
  }
  return throughEach(storage, around, list)
}

/** Opens a storage, trying again as {@link retrying} does for the calls of one that is open. */
export function tryingToOpen<T>(open: () => Promise<T>, signal: AbortSignal, policy: RetryPolicy = {}): Promise<T> {
  // Whoever waits for it to open wants to hear soon that it will not.
  return repeat('open', signal, { attempts: 5, ...policy }, open)
}

/** Whether a call that failed so may succeed later. */
export function mayPass(error: unknown): boolean {
  if (isKlosetError(error)) return error.retry === 'later'
  return networkCodes.has(codeOf(error) ?? '')
}

async function repeat<T>(
  kind: Retry['kind'],
  signal: AbortSignal,
  policy: RetryPolicy,
  call: () => Promise<T>,
): Promise<T> {
  for (let failed = 1; ; failed++) {
    try {
      return await call()
    } catch (error) {
      await pause(kind, signal, policy, failed, error)
    }
  }
}

/** Waits before the next attempt, or throws `error` where there is none. */
async function pause(kind: Retry['kind'], signal: AbortSignal, policy: RetryPolicy, attempt: number, error: unknown) {
  const { attempts = 10, firstDelay = 250, longestDelay = 30_000, random = Math.random } = policy
  // An abort may come out as whatever error the cut connection caused.
  signal.throwIfAborted()
  if (attempt >= attempts || !mayPass(error)) throw error
  const asked = isKlosetError(error) ? (error.retryAfter ?? 0) : 0
  const delay = Math.max(asked, Math.round(random() * Math.min(longestDelay, firstDelay * 2 ** (attempt - 1))))
  policy.onRetry?.({ kind, attempt, error, delay })
  await wait(delay, signal)
}

// Errors of sockets and name lookups, which connectors let through where they have nothing to add.
const networkCodes = new Set([
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
])

/** `fetch` wraps the error of the socket as its cause. */
function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; typeof at === 'object' && at !== null && depth < 3; depth++) {
    const { code, cause } = at as { code?: unknown; cause?: unknown }
    if (typeof code === 'string') return code
    at = cause
  }
  return undefined
}
