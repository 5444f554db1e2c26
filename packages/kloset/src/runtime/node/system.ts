import { hostname, userInfo } from 'node:os'
import process from 'node:process'

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
