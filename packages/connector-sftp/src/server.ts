import type { Location } from 'kloset/connector'
import { type Target, targetOf } from './config/target.js'
import type { SftpSettings } from './options.js'

/**
 * Where connections for a location go first, for whoever wants to look whether somebody answers there; undefined where a command makes them.
 * @throws KLOSET_CONNECTOR, KLOSET_UNSUPPORTED where the location and the options do not say
 */
export function serverOf(
  at: Location,
  options: SftpSettings,
): { readonly host: string; readonly port: number; readonly tls: boolean } | undefined {
  return firstOf(targetOf(at, options))
}

function firstOf({ host, port, way }: Target): ReturnType<typeof serverOf> {
  if (way === undefined) return { host, port, tls: false }
  return 'jump' in way ? firstOf(way.jump) : undefined
}
