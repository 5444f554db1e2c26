import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What one direction of a connection is like. Nothing given: it passes everything at once. */
export interface Line {
  /** Milliseconds that every byte is on its way. */
  readonly latency?: number
  /** Bytes a second at most. */
  readonly rate?: number
  /** What connections share: waits until so many bytes have passed. */
  readonly shared?: (bytes: number) => Promise<void>
  /** The byte at this offset of the connection arrives with a bit turned over. */
  readonly flip?: number
  /**
   * What happens once so many bytes have passed: the connection is reset; or it ends as if the other side had closed it; or nothing more passes
   * ever, while it stays open.
   */
  readonly after?: { readonly bytes: number; readonly what: 'reset' | 'end' | 'stall' }
}

/** What a connection is like: `up` to the server, `down` to the client. */
export interface Weather {
  /** Reset as soon as it is made. */
  readonly refuse?: boolean
  readonly up?: Line
  readonly down?: Line
}

/** A TCP proxy that is as bad as a network can be, in front of a real server. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Connections made so far. */
  readonly connections: number
  /** What connections are like that are made from now on. */
  weather: Weather
  /** What each of the next connections is like, in order, before `weather` holds again. */
  next(...weathers: readonly Weather[]): void
  /** Resets all connections there are. */
  cut(): void
  /** Takes the port away, so that connections are refused by the system, until {@link TcpProxy.up}. */
  down(): Promise<void>
  up(): Promise<void>
  stop(): Promise<void>
}

/** Starts a proxy on a free port of the loopback, before a server there. */
export async function startProxy(to: { readonly port: number; readonly host?: string }): Promise<TcpProxy> {
  const pairs = new Set<Pair>()
  const forecast: Weather[] = []
  let connections = 0
  let port = 0

  const listen = async (): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      connections++
      const weather = forecast.shift() ?? proxy.weather
      if (weather.refuse) {
        client.on('error', () => undefined).resetAndDestroy()
        return
      }
      const pair = new Pair(client, to, weather, () => pairs.delete(pair))
      pairs.add(pair)
    })
    server.listen(port, host)
    await once(server, 'listening')
    port = (server.address() as { port: number }).port
    return server
  }

  let server: Server | undefined
  const down = async (): Promise<void> => {
    const closed = server?.listening ? once(server, 'close') : undefined
    server?.close()
    server = undefined
    proxy.cut()
    await closed
  }
  const proxy: TcpProxy = {
    host,
    get port() {
      return port
    },
    get connections() {
      return connections
    },
    weather: {},
    next: (...weathers) => void forecast.push(...weathers),
    cut: () => {
      for (const pair of pairs) pair.reset()
    },
    down,
    up: async () => {
      server ??= await listen()
    },
    stop: down,
  }
  server = await listen()
  return proxy
}

const host = '127.0.0.1'

/** A client's connection and the one to the server behind it. */
class Pair {
  readonly #client: Socket
  readonly #server: Socket

  constructor(
    client: Socket,
    to: { readonly port: number; readonly host?: string },
    weather: Weather,
    closed: () => void,
  ) {
    const server = connect({ port: to.port, host: to.host ?? host, allowHalfOpen: true, noDelay: true })
    this.#client = client
    this.#server = server
    for (const socket of [client, server]) {
      socket.on('error', () => this.reset())
      socket.on('close', () => {
        // Whoever is left learns that the other is gone; what is on its way to it arrives nevertheless.
        if (client.destroyed && server.destroyed) closed()
      })
    }
    const resetBoth = (): void => this.reset()
    pass(client, server, weather.up ?? {}, resetBoth)
    pass(server, client, weather.down ?? {}, resetBoth)
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }
}

/** Bytes on their way at most: more than any network holds, and little enough for a test. */
const window = 16 * 1024 * 1024

/** Passes what comes from one socket on to the other, as `line` says. */
function pass(from: Socket, to: Socket, line: Line, resetBoth: () => void): void {
  // `undefined` is the end.
  const way: { readonly due: number; readonly bytes: Buffer | undefined }[] = []
  let onTheWay = 0
  let passed = 0
  let sending = false
  let over = false

  from.on('data', (bytes: Buffer) => {
    if (over) return
    onTheWay += bytes.length
    if (onTheWay > window) from.pause()
    send(bytes)
  })
  from.on('end', () => send(undefined))

  const send = (bytes: Buffer | undefined): void => {
    way.push({ due: performance.now() + (line.latency ?? 0), bytes })
    if (!sending) void work()
  }
  const work = async (): Promise<void> => {
    sending = true
    for (let next = way.shift(); next !== undefined && !to.destroyed; next = way.shift()) {
      const early = next.due - performance.now()
      if (early > 0) await sleep(early)
      if (over) continue
      if (next.bytes === undefined) to.end()
      else await deliver(next.bytes)
      onTheWay -= next.bytes?.length ?? 0
      if (onTheWay <= window && from.isPaused()) from.resume()
    }
    sending = false
  }
  const deliver = async (bytes: Buffer): Promise<void> => {
    const { rate, shared, flip, after } = line
    const room = after === undefined ? bytes.length : Math.min(bytes.length, after.bytes - passed)
    if (flip !== undefined && flip >= passed && flip < passed + bytes.length) bytes[flip - passed]! ^= 1
    // Twenty portions a second are a trickle.
    const portion = rate === undefined ? room : Math.max(1, Math.floor(rate / 20))
    for (let at = 0; at < room; at += portion) {
      const part = bytes.subarray(at, Math.min(room, at + portion))
      if (rate !== undefined) await sleep((part.length / rate) * 1000)
      await shared?.(part.length)
      if (to.destroyed) return
      if (!to.write(part)) await drained(to)
    }
    passed += room
    if (after === undefined || passed < after.bytes) return
    over = true
    // A reset that arrives before all was read looks like an end to who reads.
    if (after.what === 'reset') setTimeout(resetBoth, 20)
    if (after.what === 'end') to.end()
  }
  // A fault after 0 bytes does not wait for one.
  if (line.after?.bytes === 0) void deliver(Buffer.alloc(0))
}

/** A line of so many bytes a second for all connections that are given it. */
export function sharedLine(rate: number): (bytes: number) => Promise<void> {
  let free = 0
  return async (bytes) => {
    const now = performance.now()
    free = Math.max(free, now) + (bytes / rate) * 1000
    // Timers are not as exact as lines: what is early by a little is let through, and the next ones wait for it.
    if (free - now > 2) await sleep(free - now)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}
