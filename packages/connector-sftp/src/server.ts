import type { Location } from 'kloset/connector'
import { targetOf } from './config/target.js'
import type { SftpSettings } from './options.js'

/**
 * Where connections for a location go, for whoever wants to look whether somebody answers there.
 * @throws KLOSET_CONNECTOR, KLOSET_UNSUPPORTED where the location and the options do not say
 */
export function serverOf(
  at: Location,
  options: SftpSettings,
): { readonly host: string; readonly port: number; readonly tls: boolean } {
  const { host, port } = targetOf(at, options)
  return { host, port, tls: false }
}
