import type { ConnectOptions } from './connector/index.js'
import { environment } from './runtime/system.js'

/** What connectors are given besides the location. */
export function connectHere(
  options: Readonly<Record<string, string | number | boolean>>,
  mode: ConnectOptions['mode'],
  signal: AbortSignal,
): ConnectOptions {
  const memory = new Map<string, string>()
  return {
    options,
    mode,
    signal,
    env: environment(),
    log: () => undefined,
    memory: {
      get: async (key) => memory.get(key),
      set: async (key, value) => void memory.set(key, value),
    },
  }
}
