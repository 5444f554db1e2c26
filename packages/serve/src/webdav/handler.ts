import type { IncomingMessage, ServerResponse } from 'node:http'
import { isKlosetError } from 'kloset/connector'
import type { Item, Shelf } from '../shelf/shelf.js'
import { namesIn } from './addresses.js'
import { partOf, statusByConditions } from './conditions.js'
import { multistatusEnd, multistatusStart, responseXml, textXml } from './multistatus.js'
import { pageEnd, pageLine, pageStart } from './pages.js'
import { parsePropfind } from './propfind.js'
import { type FileFacts, type Resource, resourceOf } from './resources.js'
import { send } from './sending.js'

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** The most that the body of a request may have, in bytes. */
const mostBody = 64 * 1024

const allowed = 'OPTIONS, GET, HEAD, PROPFIND'
const changing: readonly string[] = ['PUT', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'PROPPATCH']

/** Answers one request about the shelf (RFC 4918, class 1, read-only). @throws Refusal, and what the store throws, as long as nothing was answered */
export async function handle(shelf: Shelf, request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (request.method) {
    case 'OPTIONS':
      response.writeHead(200, { dav: '1', allow: allowed, 'ms-author-via': 'DAV', 'content-length': '0' }).end()
      return
    case 'GET':
    case 'HEAD': {
      const resource = await resourceAt(shelf, request)
      await (resource.file === undefined
        ? page(shelf, resource, request, response)
        : content(shelf, resource, resource.file, request, response))
      return
    }
    case 'PROPFIND':
      await properties(shelf, request, response)
      return
    default:
      // To MKCOL, clients take 405 for “it is there already”. What comes with a request is not read.
      if (changing.includes(request.method ?? ''))
        throw new Refusal(403, 'snapshots cannot be changed', { connection: 'close' })
      throw new Refusal(405, 'this is a read-only WebDAV server of class 1', { allow: allowed, connection: 'close' })
  }
}

async function resourceAt(shelf: Shelf, request: IncomingMessage): Promise<Resource> {
  const names = namesIn(request.url ?? '/')
  const item = names && (await shelf.at(names))
  const resource = item && resourceOf(names, item)
  if (resource === undefined) throw new Refusal(404, 'there is nothing of that name')
  return resource
}

async function content(
  shelf: Shelf,
  resource: Resource,
  { inside, size, type, etag }: FileFacts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const version = { etag, modified: resource.modified }
  const about = { 'accept-ranges': 'bytes', 'last-modified': resource.modified.toUTCString(), ...(etag && { etag }) }
  const status = statusByConditions(request.headers, version)
  if (status === 304) {
    response.writeHead(304, about).end()
    return
  }
  if (status === 412) throw new Refusal(412, 'the file is another one')
  const part = request.method === 'GET' ? partOf(request.headers, size, version) : undefined
  if (part === 'none') throw new Refusal(416, 'the file has no such part', { 'content-range': `bytes */${size}` })
  const { start, end } = part ?? { start: 0, end: size }
  const headers = {
    ...about,
    'content-type': type,
    'content-length': `${end - start}`,
    ...(part && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
    // What was backed up is not to act in the name of this server when a browser shows it. Browsers show no PDF in a sandbox.
    ...(type === 'application/pdf' ? {} : { 'content-security-policy': 'sandbox' }),
  }
  const file = await shelf.open(inside)
  if (file.size !== size) throw new Refusal(500, 'the file has another size than its entry says')
  if (request.method === 'HEAD') {
    response.writeHead(200, headers).end()
    return
  }
  await send(response, file.stream({ start, end }), () => response.writeHead(part ? 206 : 200, headers))
}

async function page(
  shelf: Shelf,
  resource: Resource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  }
  if (request.method === 'HEAD') {
    response.writeHead(200, headers).end()
    return
  }
  await send(response, lines(), () => response.writeHead(200, headers))

  async function* lines(): AsyncGenerator<string> {
    // The first of them before anything is sent, so that it can still be said that the folder cannot be read.
    let start = pageStart(resource.names)
    for await (const member of members(shelf, resource)) {
      yield `${start}${pageLine(member)}`
      start = ''
    }
    yield `${start}${pageEnd}`
  }
}

async function properties(shelf: Shelf, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const depth = request.headers.depth
  if (depth !== '0' && depth !== '1') {
    // RFC 4918 §9.1 lets a server refuse, since that may be millions.
    const xml = '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>\n'
    response.writeHead(403, { 'content-type': xmlType, connection: 'close' }).end(xml)
    return
  }
  const wanted = parsePropfind(await bodyOf(request))
  if (wanted === undefined) throw new Refusal(400, 'the body is not a PROPFIND')
  const resource = await resourceAt(shelf, request)
  await send(response, responses(), () => response.writeHead(207, { 'content-type': xmlType }))

  async function* responses(): AsyncGenerator<string> {
    let start = `${multistatusStart}${responseXml(resource, wanted!)}`
    if (depth === '1' && resource.folder) {
      for await (const member of members(shelf, resource)) {
        yield `${start}${responseXml(member, wanted!)}`
        start = ''
      }
    }
    yield `${start}${multistatusEnd}`
  }
}

const xmlType = 'application/xml; charset=utf-8'

async function* members(shelf: Shelf, { names, item }: Resource): AsyncGenerator<Resource> {
  for await (const [name, member] of shelf.list(item as Item)) {
    const resource = resourceOf([...names, name], member)
    if (resource !== undefined) yield resource
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > mostBody) throw new Refusal(413, 'the body is too long', { connection: 'close' })
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

/** The status that says what went wrong, and the words for a person. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (isKlosetError(error, 'KLOSET_PATH_NOT_FOUND')) return new Refusal(404, error.message)
  if (isKlosetError(error) && error.retry === 'later')
    return new Refusal(503, 'the storage does not answer now', { 'retry-after': '10' })
  return new Refusal(500, 'this cannot be read: the server says why in its log')
}

/** A short answer in words. */
export function answerRefusal(response: ServerResponse, { status, message, headers }: Refusal): void {
  const text = `<!doctype html><meta charset="utf-8"><title>${status}</title><p>${textXml(message)}</p>\n`
  const length = `${Buffer.byteLength(text)}`
  response
    .writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'content-length': length, ...headers })
    .end(text)
}
