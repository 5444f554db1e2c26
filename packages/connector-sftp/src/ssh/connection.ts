import type { Duplex } from 'node:stream'
import { abortable } from 'kloset/connector'
import type { Algorithms, Client, ClientChannel } from 'ssh2'
import type { Target } from '../config/target.js'
import { connectError, connectionLost, connectTimeout, noAnswer, noSession, noSubsystem, notSftp } from '../errors.js'
import type { HostKeys } from '../hosts/trust.js'
import { MalformedPacket } from '../sftp/protocol.js'
import { type Server, Session } from '../sftp/session.js'
import { type AskSecret, LoginAttempts, type Secrets } from './login.js'
import { Pauses } from './pauses.js'
import { loadSsh2 } from './ssh2.js'
import { dialled, forwarded, piped, type Wire } from './wire.js'

/** What it takes to connect. */
export interface Connecting {
  readonly target: Target
  /** How to connect to the host that it is reached through. */
  readonly through: Connecting | undefined
  readonly hostKeys: HostKeys
  readonly secrets: Secrets
  readonly ask: AskSecret | undefined
  /** Seconds until it must have logged in; while a person is asked, they do not count. */
  readonly connectTimeout: number
  /** Seconds until what does not answer is given up. */
  readonly timeout: number
}

/** Seconds between the questions that a silent server is asked to see whether it is there. */
const keepalive = 15

/** Seconds without a byte from the server, nor one that it took, after which the connection is dead. */
const deadAfter = 3 * keepalive + 5

const lookEvery = 1000

/** Without those by way of SHA-1. */
const macs: NonNullable<Algorithms['hmac']> = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
]

/**
 * Connects and logs in.
 * @throws KLOSET_OFFLINE, KLOSET_DENIED, KLOSET_UNSUPPORTED, and what `ask` throws
 */
export async function connect(how: Connecting, signal: AbortSignal): Promise<Connection> {
  const { client, wire } = await loggedIn(how, signal)
  return new Connection(client, wire, how.target, how.timeout)
}

/** Logs in, to the hosts on the way first: each of them shows a key that has to be known, and is given nothing but what logs in to it. */
async function loggedIn(how: Connecting, signal: AbortSignal): Promise<{ client: Client; wire: Wire }> {
  const { target, hostKeys, secrets, connectTimeout: seconds } = how
  const gate = how.through && (await loggedIn(how.through, signal))
  const pauses = new Pauses(seconds * 1000)
  const stop = AbortSignal.any([signal, pauses.expired])
  let wire: Wire | undefined
  try {
    const ssh2 = await loadSsh2()
    const algorithms = await hostKeys.algorithms()
    wire = await wireTo(target, gate, stop)
    const ask = how.ask && ((message: string) => pauses.during(() => how.ask!(message)))
    const login = new LoginAttempts(ssh2, target, secrets, ask)
    const client = new ssh2.Client()
    const check = (key: Buffer): Promise<void> => pauses.during(() => hostKeys.check(key))
    await abortable(stop, logIn(client, wire.stream, { target, login, algorithms, check }))
    client.on('close', () => gate?.client.end())
    return { client, wire }
  } catch (error) {
    wire?.stream.destroy()
    gate?.client.end()
    if (signal.aborted) throw signal.reason
    throw pauses.expired.aborted ? connectTimeout(target.where, seconds) : connectError(error, target.where)
  } finally {
    pauses.end()
  }
}

function wireTo(target: Target, gate: { client: Client; wire: Wire } | undefined, stop: AbortSignal): Promise<Wire> {
  if (gate) return forwarded(gate.client, gate.wire, target, stop)
  return target.way && 'command' in target.way ? piped(target.way.command, target.where) : dialled(target, stop)
}

interface LoggingIn {
  readonly target: Target
  readonly login: LoginAttempts
  readonly algorithms: Awaited<ReturnType<HostKeys['algorithms']>>
  check(key: Buffer): Promise<void>
}

/** Resolves once the server let us in. */
function logIn(client: Client, stream: Duplex, { target, login, algorithms, check }: LoggingIn): Promise<void> {
  let trusted: Buffer | undefined
  return new Promise((resolve, reject) => {
    client.on('ready', resolve)
    client.on('close', () => reject(new Error('the server hung up')))
    client.on('error', (error: Error & { level?: string }) => {
      // It goes on with the next thing to try.
      if (error.level === 'agent') login.tried.push(`(the agent failed: ${error.message})`)
      else reject(isAboutLogin(error, login) ? login.failure(error) : error)
    })
    client.connect({
      sock: stream,
      username: target.user,
      algorithms: { serverHostKey: algorithms, hmac: macs },
      // Who answers is looked at before anything is said to them.
      hostVerifier: (key: Buffer, verified: (permitted: boolean) => void): void => {
        // Keys are exchanged anew from time to time, over a connection that is in use: the package goes wrong if it has to wait then.
        const trust = (): void => {
          trusted = Buffer.from(key)
          verified(true)
        }
        const refuse = (error: unknown): void => {
          reject(error)
          verified(false)
        }
        if (trusted) verified(trusted.equals(key))
        else check(key).then(trust, refuse)
      },
      authHandler: (offered, _partial, next) => {
        const fail = (error: unknown): void => {
          reject(error)
          stream.destroy()
        }
        // `false` is how to say that nothing is left, which the types leave out.
        login.next(offered).then(next as (method: unknown) => void, fail)
      },
      readyTimeout: 0,
      keepaliveInterval: keepalive * 1000,
      // Whether the server is alive is seen below, by all that it sends and takes.
      keepaliveCountMax: Number.MAX_SAFE_INTEGER,
    })
  })
}

// A server may hang up after too many attempts instead of saying no once more.
function isAboutLogin(error: Error & { level?: string }, login: LoginAttempts): boolean {
  return (
    error.level === 'client-authentication' || (login.tried.length > 0 && /authentication fail/i.test(error.message))
  )
}

/** A connection to an SSH server, on which SFTP sessions are opened. */
export class Connection {
  readonly #client: Client
  readonly #wire: Wire
  readonly #target: Target
  readonly #timeout: number
  readonly #sessions = new Set<Session>()
  readonly #opening = new Set<{ readonly since: number; reject(error: Error): void }>()
  readonly #watch: NodeJS.Timeout
  #ended: Error | undefined
  #failure: Error | undefined
  #moved = 0
  #progress = performance.now()
  #looked = performance.now()

  constructor(client: Client, wire: Wire, target: Target, timeout: number) {
    this.#client = client
    this.#wire = wire
    this.#target = target
    this.#timeout = timeout
    this.#watch = setInterval(() => this.#look(), lookEvery)
    this.#watch.unref()
    client.on('error', (error: Error) => {
      this.#failure ??= error
    })
    client.on('close', () => this.#end(connectionLost(target.where, this.#failure)))
    if (wire.stream.destroyed) this.#end(connectionLost(target.where, undefined))
  }

  /** Whether sessions can be opened. */
  get open(): boolean {
    return this.#ended === undefined
  }

  /**
   * Opens an SFTP session. `known`: what the server told in another one.
   * @throws KLOSET_UNSUPPORTED without an SFTP server, KLOSET_BUSY where it opens no more of them, KLOSET_OFFLINE
   */
  async session(known?: Server): Promise<Session> {
    const { where } = this.#target
    const channel = await this.#channel()
    const session = new Session(channel, () => this.#ended ?? connectionLost(where, this.#failure))
    // What a server says beside the protocol fills a window that would be full one day.
    channel.stderr.resume()
    this.#sessions.add(session)
    channel.on('close', () => this.#sessions.delete(session))
    try {
      await session.greet(known)
      return session
    } catch (error) {
      session.end(error as Error)
      throw error instanceof MalformedPacket ? notSftp(where, error) : error
    }
  }

  /** Says goodbye. */
  end(): void {
    this.#client.end()
    this.#end(connectionLost(this.#target.where, undefined))
  }

  #channel(): Promise<ClientChannel> {
    const { where } = this.#target
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      const opening = { since: performance.now(), reject }
      this.#opening.add(opening)
      this.#client.subsys('sftp', (error, channel) => {
        if (!this.#opening.delete(opening)) return channel?.close()
        if (!error) return resolve(channel)
        if (this.#ended || this.#wire.stream.destroyed)
          return reject(this.#ended ?? connectionLost(where, this.#failure))
        reject(/subsystem/i.test(error.message) ? noSubsystem(where, error) : noSession(where, error))
      })
    })
  }

  /**
   * A server is dead when it sends nothing and takes nothing, although something waits for it: every few seconds at least the question whether it is
   * there. A session is when its requests wait for too long; where there is more to send than a slow line takes, they wait behind that,
   * and are given longer.
   */
  #look(): void {
    const now = performance.now()
    const late = now - this.#looked > 2 * lookEvery
    this.#looked = now
    // This process was busy or asleep, and what the server sent meanwhile is not read yet.
    if (late) return
    const moved = this.#wire.moved()
    if (moved !== this.#moved) this.#progress = now
    this.#moved = moved
    const { where } = this.#target
    const waiting = [...this.#opening].map(({ since }) => since)
    for (const { quietSince } of this.#sessions) if (quietSince !== undefined) waiting.push(quietSince)
    const limit = waiting.length > 0 ? Math.min(this.#timeout, deadAfter) : deadAfter
    const silentSince = waiting.length > 0 ? Math.max(this.#progress, Math.min(...waiting)) : this.#progress
    if (now - silentSince > limit * 1000) {
      this.#end(noAnswer(where, limit))
      this.#wire.stream.destroy()
      return
    }
    const patience = this.#timeout * 1000 * (this.#wire.stream.writableLength > 0 ? 5 : 1)
    for (const session of this.#sessions)
      if (now - (session.quietSince ?? now) > patience) session.end(noAnswer(where, this.#timeout))
    for (const opening of this.#opening) {
      if (now - opening.since <= patience) continue
      this.#opening.delete(opening)
      opening.reject(noAnswer(where, this.#timeout))
    }
  }

  #end(error: Error): void {
    if (this.#ended) return
    this.#ended = error
    clearInterval(this.#watch)
    for (const session of this.#sessions) session.end(error)
    for (const { reject } of this.#opening) reject(error)
    this.#sessions.clear()
    this.#opening.clear()
  }
}
