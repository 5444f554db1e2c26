import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SnapshotFilter, Store } from 'kloset'
import { KlosetError } from 'kloset/connector'
import { Shelf } from '../shelf/shelf.js'
import { answerRefusal, handle, Refusal, refusalOf } from './handler.js'
import { isOurs } from './hosts.js'
import { Door, type Login } from './login.js'

/** What {@link serveWebdav} takes. */
export interface WebdavOptions {
  /** The address or name to listen on; default `127.0.0.1`, which only this machine reaches. */
  readonly host?: string
  /** Default 4918; 0 takes a free one. */
  readonly port?: number
  /**
   * Who may log in, with HTTP's Basic authentication; `null` lets everybody in who reaches the server. There is no default: who can read here can read all
   * that was ever backed up.
   */
  readonly login: Login | null
  /** A certificate and its key as PEM, to serve over TLS. Without it, passwords and files can be read on the way. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined
  /** Which snapshots are shown; default: all. New ones show by themselves within seconds. */
  readonly where?: SnapshotFilter | undefined
  /** Told of each request once it was answered. */
  onRequest?(request: ServedRequest): void
  /** Told what could not be read, with the path that was asked for. Whoever asked got an error, or a connection that was cut. */
  onFailed?(path: string, error: unknown): void
}

/** A request that was answered. */
export interface ServedRequest {
  readonly method: string
  /** As the client wrote it: percent-encoded. */
  readonly path: string
  readonly status: number
  /** Bytes that were sent, the head included. */
  readonly bytes: number
  /** Where the client is. */
  readonly address: string
  /** Milliseconds. */
  readonly duration: number
  /** Whether the answer was cut off, by the client or because something could not be read. */
  readonly cut: boolean
}

/** A store that is served. */
export interface WebdavServer {
  /** Where, such as `http://127.0.0.1:4918/`. */
  readonly url: string
  /** Takes no more requests, and resolves when those under way are answered; after `patience` milliseconds (default 3,000) they are cut off. */
  close(patience?: number): Promise<void>
}

/**
 * Serves the snapshots of an open store over WebDAV, read-only. The store must stay open until the server is closed; closing it is the caller's.
 * @throws KLOSET_DENIED, KLOSET_BUSY, KLOSET_NOT_FOUND where it cannot listen there; TypeError, RangeError for wrong options
 */
export async function serveWebdav(store: Store, options: WebdavOptions): Promise<WebdavServer> {
  const { host = '127.0.0.1', port = 4918, login, tls, where, onRequest, onFailed = () => undefined } = options
  if (login === undefined) throw new TypeError('say who may log in, or null for everybody')
  if (login !== null && (login.password === '' || login.user.includes(':')))
    throw new TypeError('a login has a password, and a user without a colon')
  const shelf = new Shelf(store, { where, onStale: (error) => onFailed('/', error) })
  await shelf.snapshots()
  const door = login === null ? undefined : new Door(login)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      response.setHeader('x-content-type-options', 'nosniff')
      await admit(request, door, host)
      await handle(shelf, request, response)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.status >= 500) onFailed(request.url ?? '/', error)
      if (response.headersSent || response.destroyed) response.destroy()
      else answerRefusal(response, refusal)
    }
  }
  const listener: RequestListener = (request, response) => {
    if (onRequest !== undefined) watch(request, response, onRequest)
    void answer(request, response)
  }
  const server =
    tls === undefined ? createServer(listener) : createTlsServer({ cert: tls.cert, key: tls.key }, listener)
  const at = await listen(server, host, port)
  const shownHost = at.family === 'IPv6' ? `[${at.address}]` : at.address
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${shownHost}:${at.port}/`,
    close: (patience = 3_000) => close(server, patience),
  }
}

/** @throws Refusal for who may not come in */
async function admit(request: IncomingMessage, door: Door | undefined, host: string): Promise<void> {
  if (door === undefined) {
    if (isOurs(request.headers.host, [host])) return
    throw new Refusal(421, 'this server does not have that name')
  }
  const address = request.socket.remoteAddress ?? ''
  const verdict = await door.verdict(request.headers.authorization, address)
  if (verdict === 'let in') return
  if (verdict === 'wait')
    throw new Refusal(429, 'too many wrong passwords', { 'retry-after': '5', connection: 'close' })
  throw new Refusal(401, 'log in', { 'www-authenticate': 'Basic realm="kloset", charset="UTF-8"' })
}

function watch(request: IncomingMessage, response: ServerResponse, told: (request: ServedRequest) => void): void {
  const began = performance.now()
  const { socket, method = '', url: path = '' } = request
  const address = socket.remoteAddress ?? ''
  const before = socket.bytesWritten
  response.on('close', () => {
    const duration = performance.now() - began
    const bytes = socket.bytesWritten - before
    told({ method, path, status: response.statusCode, bytes, address, duration, cut: !response.writableFinished })
  })
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause)))
    server.listen(port, host, () => resolve(server.address() as AddressInfo))
  })
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): KlosetError {
  const details = { cause, context: { host, port } }
  if (cause.code === 'EADDRINUSE')
    return new KlosetError('KLOSET_BUSY', `something listens on port ${port} of ${host} already`, {
      ...details,
      hint: 'Choose another port.',
    })
  if (cause.code === 'EACCES')
    return new KlosetError('KLOSET_DENIED', `port ${port} may not be listened on`, {
      ...details,
      hint: 'Choose one above 1023.',
    })
  return new KlosetError('KLOSET_NOT_FOUND', `this machine has no address ${host}`, {
    ...details,
    hint: 'Use 127.0.0.1, or 0.0.0.0 for all addresses.',
  })
}

function close(server: Server, patience: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), patience)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
