import { hostname, userInfo } from 'node:os'
import process from 'node:process'
import { setImmediate } from 'node:timers/promises'

/** Resolves when the event loop has had a turn: for loops that otherwise keep answers of workers and storage waiting. */
export function nextTurn(): Promise<void> {
  return setImmediate()
}

/** The machine's name. */
export function hostName(): string {
  return hostname()
}

/** The name of who runs this; empty where there is none. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

/** The environment variables. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env
}
