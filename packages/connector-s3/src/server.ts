import type { Location } from 'kloset/connector'
import { addressOf, targetOf } from './address.js'
import type { S3Settings } from './options.js'

/**
 * The server that requests for a location go to, for whoever wants to tell how far it can be reached before anything is asked of it.
 * @throws KLOSET_CONNECTOR as opening it would
 */
export function serverOf(
  at: Location,
  settings: Pick<S3Settings, 'endpoint' | 'tls' | 'path-style' | 'region'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): { readonly host: string; readonly port: number; readonly tls: boolean } {
  const address = addressOf(at, settings, env)
  const region = settings.region || address.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1'
  const { host, port } = targetOf(address, region, '')
  return { host, port: port ?? (address.secure ? 443 : 80), tls: address.secure }
}
