import { abortable, isKlosetError } from 'kloset/connector'
import type { Server, Session } from '../sftp/session.js'
import type { Connection } from './connection.js'

/** How many connections there may be, and sessions on each. */
export interface PoolSize {
  readonly connections: number
  readonly channels: number
}

/**
 * SFTP sessions to share between calls. A server works on the requests of one session one after the other, and a sync of the disk takes it a while;
 * and a session has no more than two megabytes on its way. So each call that runs beside others gets a session of its own, as long as the server
 * opens more; those who come before it is open share. What is lost is opened again for the next call.
 */
export class Pool {
  readonly #connect: (signal: AbortSignal) => Promise<Connection>
  readonly #size: PoolSize
  readonly #links = new Set<Link>()
  readonly #lanes = new Set<Lane>()
  readonly #closing = new AbortController()
  #first: Promise<Lane> | undefined
  #opening = 0
  // As many as the server opened before it refused one more.
  #most: number
  #server: Server | undefined

  constructor(connect: (signal: AbortSignal) => Promise<Connection>, size: PoolSize) {
    this.#connect = connect
    this.#size = size
    this.#most = size.connections * size.channels
  }

  /** Runs `work` with a session, which others may use meanwhile. */
  async use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const lane = this.#idlest() ?? (await abortable(signal, this.#any()))
    signal.throwIfAborted()
    lane.calls++
    this.#grow()
    try {
      return await work(lane.session)
    } finally {
      lane.calls--
    }
  }

  /** Ends all connections. What is under way is cut off. */
  close(): void {
    this.#closing.abort(new Error('the storage was closed'))
    for (const { connection } of this.#links) connection.then((open) => open.end()).catch(() => undefined)
  }

  #idlest(): Lane | undefined {
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      if (!lane.session.open) this.#drop(lane)
      else if (best === undefined || lane.calls < best.calls) best = lane
    }
    return best
  }

  /** The first session, for all who wait for one. */
  #any(): Promise<Lane> {
    this.#first ??= this.#open().finally(() => {
      this.#first = undefined
    })
    return this.#first
  }

  /** Opens sessions for those who share one. */
  #grow(): void {
    let sharing = 0
    for (const { calls } of this.#lanes) sharing += Math.max(0, calls - 1)
    while (this.#opening < sharing && this.#lanes.size + this.#opening < this.#most)
      this.#open().catch((error) => this.#settleFor(error))
  }

  /** The server has its reasons not to open more: what is open will do, as long as something is. */
  #settleFor(error: unknown): void {
    if (this.#idlest() && !isKlosetError(error, 'KLOSET_OFFLINE')) this.#most = this.#lanes.size
  }

  async #open(): Promise<Lane> {
    const link = this.#roomiest()
    link.sessions++
    this.#opening++
    try {
      const connection = await link.connection
      link.open = () => connection.open
      const session = await connection.session(this.#server)
      this.#server = session.server
      const lane = { session, link, calls: 0 }
      this.#lanes.add(lane)
      return lane
    } catch (error) {
      link.sessions--
      throw error
    } finally {
      this.#opening--
    }
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane)
    lane.link.sessions--
  }

  #roomiest(): Link {
    for (const link of this.#links) {
      if (!link.open()) this.#links.delete(link)
      else if (link.sessions < this.#size.channels) return link
    }
    const connection = this.#connected()
    const link: Link = { connection, sessions: 0, open: () => true }
    connection.catch(() => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  async #connected(): Promise<Connection> {
    const { signal } = this.#closing
    signal.throwIfAborted()
    const connection = await this.#connect(signal)
    if (!signal.aborted) return connection
    connection.end()
    throw signal.reason
  }
}

/** A connection that is there or being made. */
interface Link {
  readonly connection: Promise<Connection>
  /** How many sessions it has, those that are being opened included. */
  sessions: number
  open(): boolean
}

interface Lane {
  readonly session: Session
  readonly link: Link
  /** How many calls use it. */
  calls: number
}
