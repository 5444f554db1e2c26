import { equalBytes } from '../bytes/index.js'
import { isKlosetError, type KlosetErrorCode } from '../errors.js'

/** What a case throws where the contract is not kept. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
}

/** Throws that `what` does not hold. */
export function fail(what: string): never {
  throw new ConformanceError(what)
}

/** Requires that `holds`; `what` says what should be. */
export function check(holds: boolean, what: string): asserts holds {
  if (!holds) fail(what)
}

/** Requires that two plain values are the same, as JSON shows them. */
export function checkEqual<T>(actual: T, expected: T, what: string): void {
  const [is, should] = [show(actual), show(expected)]
  if (is !== should) fail(`${what}: expected ${shorten(should)}, got ${shorten(is)}`)
}

/** Requires that two byte arrays hold the same. */
export function checkBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (!(actual instanceof Uint8Array)) fail(`${what}: expected a Uint8Array, got ${typeof actual}`)
  if (actual.length !== expected.length) fail(`${what}: expected ${expected.length} bytes, got ${actual.length}`)
  if (!equalBytes(actual, expected)) fail(`${what}: the ${expected.length} bytes are not those expected`)
}

/** Requires that `work` throws a KlosetError of that code. */
export async function checkThrows(work: () => Promise<unknown>, code: KlosetErrorCode, what: string): Promise<void> {
  const error = await thrownBy(work, `${what} should throw ${code}`)
  if (!isKlosetError(error, code)) throw new ConformanceError(`${what} should throw ${code}`, { cause: error })
}

/** Requires that `work` throws exactly `reason`. */
export async function checkAborts(work: () => Promise<unknown>, reason: unknown, what: string): Promise<void> {
  const error = await thrownBy(work, `${what} should throw the signal's reason`)
  if (error !== reason) throw new ConformanceError(`${what} should throw the signal's reason`, { cause: error })
}

async function thrownBy(work: () => Promise<unknown>, what: string): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return fail(`${what}, but it succeeded`)
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}

function shorten(value: string): string {
  return value.length <= 200 ? value : `${value.slice(0, 200)}… (${value.length} characters)`
}
