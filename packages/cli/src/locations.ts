import { resolve } from 'node:path'
import { parseLocation } from 'kloset/connector'
import { UsageError } from './exit.js'

/** The protocol of a location: what stands before `://`, or `fs` for a plain path. */
export function protocolOf(location: string): string {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase() ?? 'fs'
}

/** A plain path as an absolute one; a URL as it is. */
export function absolute(location: string): string {
  return location.includes('://') ? location : resolve(location)
}

/**
 * The name in `@name`, which the configuration gives a meaning; undefined for a location. A folder of such a name is `./@name`.
 * @throws UsageError where no location can have the name: a store must not be made in a folder because of a typing error
 */
export function nameIn(location: string): string | undefined {
  if (!location.startsWith('@')) return undefined
  const name = plainName(location.slice(1))
  if (name !== undefined) return name
  throw new UsageError(
    `'${location}' cannot be the name of a location`,
    `Names have letters, digits, dots, hyphens and underscores. For a folder, write ./${location}`,
  )
}

/** `name`, where a location can be called so. */
export function plainName(name: string): string | undefined {
  return /^[a-z0-9][a-z0-9._-]*$/i.test(name) ? name : undefined
}

/** A location as it may be shown: without a password, and without its query, which may hold secrets. */
export function safe(location: string): string {
  if (!location.includes('://')) return location
  try {
    return String(parseLocation(location).location)
  } catch {
    return `${protocolOf(location)}://…`
  }
}

/** Whether a location has a password or a query, which may be one. */
export function hasPassword(location: string): boolean {
  if (!location.includes('://')) return false
  try {
    return parseLocation(location).secrets.password !== undefined
  } catch {
    return false
  }
}
