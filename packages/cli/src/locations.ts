import { resolve } from 'node:path'

/** The protocol of a location: what stands before `://`, or `fs` for a plain path. */
export function protocolOf(location: string): string {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase() ?? 'fs'
}

/** A plain path as an absolute one; a URL as it is. */
export function absolute(location: string): string {
  return location.includes('://') ? location : resolve(location)
}
