import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { abortable, KlosetError, withoutSecrets } from 'kloset/connector'
import type { Client, ClientChannel } from 'ssh2'
import type { Target } from '../config/target.js'
import { BundlingSocket } from './socket.js'

/** What an SSH connection goes over. */
export interface Wire {
  readonly stream: Duplex
  /** How many bytes the other side sent and took so far. */
  moved(): number
}

/** A connection of our own. */
export async function dialled({ host, port }: Target, stop: AbortSignal): Promise<Wire> {
  const stream = new BundlingSocket()
  try {
    stream.setNoDelay().connect({ host, port })
    await once(stream, 'connect', { signal: stop })
    return { stream, moved: () => stream.bytesRead + stream.bytesWritten - stream.writableLength }
  } catch (error) {
    stream.destroy()
    throw error
  }
}

/** A connection that the host at the other end of `client`, over `wire`, makes for us. */
export async function forwarded(client: Client, wire: Wire, target: Target, stop: AbortSignal): Promise<Wire> {
  const { host, port, where } = target
  const opened = new Promise<ClientChannel>((resolve, reject) => {
    client.once('close', () => reject(new Error('the host on the way hung up')))
    client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
      if (!error) return resolve(channel)
      reject(
        new KlosetError('KLOSET_OFFLINE', `the host on the way cannot reach ${where}: ${error.message}`, {
          retry: 'later',
          hint: 'Check host and port as that host sees them, and that its server forwards connections (AllowTcpForwarding).',
          context: { server: where },
          cause: error,
        }),
      )
    })
  })
  return { stream: await abortable(stop, opened), moved: wire.moved }
}

/** What a command reads and writes. It is given no secrets, but may ask the SSH agent. */
export async function piped(command: string, where: string): Promise<Wire> {
  // Such a command is often an ssh of its own, which has to log in.
  const env = { ...withoutSecrets(process.env), SSH_AUTH_SOCK: process.env.SSH_AUTH_SOCK }
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
  })
  // Pipes of a child are sockets in Node.
  const [stdin, stdout] = [child.stdin as Socket, child.stdout as Socket]
  const stream = Duplex.from({ readable: stdout, writable: stdin })
  stream.on('close', () => child.kill())
  child.on('error', (error) => stream.destroy(error))
  child.on('exit', (code) => {
    if (code) stream.destroy(new Error(`the ProxyCommand for ${where} ended with exit code ${code}`))
  })
  return { stream, moved: () => stdout.bytesRead + stdin.bytesWritten - stdin.writableLength }
}
