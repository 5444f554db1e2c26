import type { Bytes } from '../../src/bytes/index.js'
import { runtime } from '../../src/runtime/index.js'
import { numbers } from '../index/helpers.js'

/**
 * Makes what the engine takes for random the same in each run of a seed: names of objects decide what is chosen. Gives what ends that.
 */
export function seeded(seed: number): () => void {
  const next = numbers(seed)
  const { randomBytes } = runtime
  Object.assign(runtime, {
    randomBytes: (length: number): Bytes => new Uint8Array(length).map(() => next() >>> 24),
  })
  return () => void Object.assign(runtime, { randomBytes })
}

/** Makes timers run out at once, so that waiting for a retry takes no time; gives what ends that. */
export function patient(): () => void {
  const { setTimeout: set, clearTimeout: clear } = globalThis
  globalThis.setTimeout = ((act: (...args: unknown[]) => void, _ms?: number, ...args: unknown[]) =>
    setImmediate(act, ...args)) as unknown as typeof set
  globalThis.clearTimeout = ((timer: NodeJS.Immediate | NodeJS.Timeout | undefined) => {
    clearImmediate(timer as NodeJS.Immediate)
    clear(timer as NodeJS.Timeout)
  }) as typeof clear
  return () => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
}
