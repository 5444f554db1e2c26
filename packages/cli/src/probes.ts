import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { connect, isIP } from 'node:net'
import type { Server } from './connectors.js'
import { Failure } from './exit.js'
import { messageOf } from './render/errors.js'

/** What the name of a host resolves to; an address to itself. @throws Failure */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host]
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    const unknown = (error as NodeJS.ErrnoException).code === 'ENOTFOUND'
    throw new Failure(
      unknown ? `there is no host of the name ${host}` : `the name ${host} could not be resolved: ${messageOf(error)}`,
      unknown ? 'Check how it is written.' : 'Check the network, and the name server of this machine.',
      error,
    )
  }
}

/** Connects to a server and hangs up. @throws Failure that says what stands in the way */
export async function reach({ host, port }: Server, signal: AbortSignal, patience = 10_000): Promise<void> {
  const socket = connect({ host, port, signal })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
      socket.setTimeout(patience, () => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const [what, hint] = reasons[code] ?? [messageOf(error), 'Check the network.']
    throw new Failure(`${host}, port ${port}: ${what}`, hint, error)
  } finally {
    socket.destroy()
  }
}

/** A name for an object that is nobody else's. */
export function probeName(): string {
  return `ping-${randomBytes(8).toString('hex')}`
}

const reasons: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'Check the port, and that the server runs.'],
  ETIMEDOUT: ['no answer', 'The host is down, or a firewall drops what goes to this port.'],
  EHOSTUNREACH: ['no way leads there', 'Check the network: is a VPN needed?'],
  ENETUNREACH: ['no way leads there', 'Check that this machine is connected.'],
}
