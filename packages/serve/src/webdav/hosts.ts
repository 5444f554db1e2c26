import { isIP } from 'node:net'
import { hostname } from 'node:os'

/**
 * Whether a request without a login is meant for this server. A page on the web can have a browser ask a name of its own that leads here (DNS rebinding), and would be given the
 * answer; it cannot use an address, `localhost`, or a name of this machine.
 */
export function isOurs(host: string | undefined, names: readonly string[]): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host ?? '') ?? []
  const name = (bracketed ?? plain ?? '').toLowerCase()
  if (isIP(name) !== 0) return true
  const own = hostname().toLowerCase()
  return [...names.map((each) => each.toLowerCase()), 'localhost', own, `${own}.local`].includes(name)
}
