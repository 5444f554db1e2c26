import { readFile } from 'node:fs/promises'
import tls from 'node:tls'
import { KlosetError, type Paced } from 'kloset/connector'
import { type Address, targetOf } from './address.js'
import { Connection } from './connection.js'
import type { Credentials } from './credentials.js'
import { queryOf } from './encoding.js'
import { type About, answerError, connectionError, notS3 } from './errors.js'
import type { HttpAnswer, Large } from './http.js'
import type { S3Settings } from './options.js'
import { emptyPayload, type Keys, Signer, sha256, unsignedPayload } from './signing.js'
import { rootOf, textIn } from './xml.js'

/** A request to the bucket or to one of its objects. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Of the object, with the prefix; absent: the bucket. */
  readonly key?: string
  readonly parameters?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly pace?: Paced['pace']
  readonly large?: Large | undefined
  readonly signal: AbortSignal
  /** Completes "cannot …". */
  readonly doing: string
  /** Statuses that come back as they are, besides those of success. */
  readonly expect?: readonly number[]
}

/** What a {@link Client} is made with. */
export interface ClientOptions {
  readonly address: Address
  readonly credentials: Credentials
  readonly region: string
  readonly settings: Pick<S3Settings, 'ca' | 'concurrency' | 'connect-timeout' | 'idle-timeout'>
}

/** Opens a client. @throws KLOSET_CONNECTOR where the file of the option `ca` cannot be used */
export async function openClient(options: ClientOptions): Promise<Client> {
  const { ca } = options.settings
  return new Client(options, ca === undefined ? undefined : await readAuthorities(ca))
}

/**
 * Makes signed requests and turns what goes wrong into errors. Each call is one request; only one that was sent to the wrong region is
 * sent to the right one, and so are all after it.
 */
export class Client {
  readonly address: Address
  readonly #credentials: Credentials
  readonly #connection: Connection
  #region: string
  #signer: Signer
  #known = false

  constructor({ address, credentials, region, settings }: ClientOptions, ca: readonly string[] | undefined) {
    this.address = address
    this.#credentials = credentials
    this.#connection = new Connection({
      secure: address.secure,
      ca,
      sockets: settings.concurrency,
      connectTimeout: settings['connect-timeout'] * 1000,
      idleTimeout: settings['idle-timeout'] * 1000,
    })
    this.#region = region
    this.#signer = new Signer(region)
  }

  /** Where requests go now. */
  get region(): string {
    return this.#region
  }

  /** @throws KlosetError for every other answer than success and those expected, and the signal's reason */
  async send(request: S3Request): Promise<HttpAnswer> {
    const { signal, expect = [] } = request
    signal.throwIfAborted()
    const keys = await this.#credentials.keys(signal)
    const region = this.#region
    let answer = await this.#once(request, keys, region)
    const right = regionNamedBy(answer)
    if (right !== undefined && right !== region) {
      this.#region = right
      answer = await this.#once(request, keys, right)
    }
    const { status, headers } = answer
    if ((status >= 200 && status < 300) || expect.includes(status)) {
      // Web servers like to answer everything with a page.
      if (/^text\/html/i.test(headers['content-type'] ?? '')) throw this.notS3(request)
      return answer
    }
    throw answerError(answer, this.#about(request, keys))
  }

  /** The error for an answer that was expected, and yet says no. */
  refusal(request: S3Request, answer: HttpAnswer): KlosetError {
    return answerError(answer, this.#about(request, undefined))
  }

  /** The error for an answer that no S3 server gives. */
  notS3(request: S3Request): KlosetError {
    return notS3(this.#about(request, undefined))
  }

  close(): void {
    this.#connection.close()
  }

  async #once(request: S3Request, keys: Keys | undefined, region: string): Promise<HttpAnswer> {
    const { method, key = '', parameters = {}, body, pace, large, signal } = request
    const { host, port, hostHeader, path } = targetOf(this.address, region, key)
    const query = queryOf(parameters)
    const headers = { ...request.headers, host: hostHeader, 'x-amz-content-sha256': this.#payload(body) }
    const signed =
      keys === undefined ? headers : this.#signerFor(region).sign({ method, path, query, headers }, keys, new Date())
    try {
      const answer = await this.#connection.send({
        method,
        host,
        port,
        path: query === '' ? path : `${path}?${query}`,
        headers: { ...signed, ...lengthOf(method, body), 'accept-encoding': 'identity', 'user-agent': 'kloset' },
        body,
        pace,
        large,
        signal,
      })
      this.#known = true
      return answer
    } catch (error) {
      signal.throwIfAborted()
      throw connectionError(error, this.#about(request, keys))
    }
  }

  /**
   * The digest of a body is signed only where somebody could change it on its way. It would cost more than all the rest, and what a
   * store consists of is authenticated anyway.
   */
  #payload(body: Uint8Array | undefined): string {
    if (body === undefined) return emptyPayload
    return this.address.secure || this.address.loopback ? unsignedPayload : sha256(body)
  }

  #signerFor(region: string): Signer {
    if (this.#signer.region !== region) this.#signer = new Signer(region)
    return this.#signer
  }

  #about({ doing, key = '', body }: S3Request, keys: Keys | undefined): About {
    const { location, bucket } = this.address
    const { hostHeader } = targetOf(this.address, this.#region, key)
    const secrets = [keys?.secretKey, keys?.sessionToken].filter((secret) => secret !== undefined)
    return {
      doing,
      location,
      bucket,
      server: hostHeader,
      sending: body !== undefined,
      known: this.#known,
      hide: (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text),
    }
  }
}

function lengthOf(method: string, body: Uint8Array | undefined): Record<string, string> {
  if (body === undefined && method !== 'PUT' && method !== 'POST') return {}
  return { 'content-length': String(body?.length ?? 0) }
}

/** The region that a refusal says the bucket is in. It becomes part of the name of a host: nothing else than a region may. */
function regionNamedBy(answer: HttpAnswer): string | undefined {
  const named = placeNamedBy(answer)
  return named !== undefined && /^[a-z0-9-]{1,64}$/.test(named) ? named : undefined
}

function placeNamedBy({ status, headers, body }: HttpAnswer): string | undefined {
  if (status !== 301 && status !== 307 && status !== 400 && status !== 403) return undefined
  const named = headers['x-amz-bucket-region']
  if (typeof named === 'string') return named
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 65_536)).toString()
  if (rootOf(text) !== 'Error' || !misplaced.has(textIn(text, 'Code') ?? '')) return undefined
  return textIn(text, 'Region') || /expecting '([^']+)'/.exec(textIn(text, 'Message') ?? '')?.[1]
}

const misplaced = new Set(['AuthorizationHeaderMalformed', 'PermanentRedirect', 'TemporaryRedirect', 'InvalidRegion'])

async function readAuthorities(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw badAuthorities(file, 'cannot be read', cause)
  })
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw badAuthorities(file, 'holds no certificate in PEM', undefined)
  return [...tls.rootCertificates, text]
}

function badAuthorities(file: string, problem: string, cause: unknown): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the file ${file} of the option ca ${problem}`, {
    hint: 'Name a file with certificates that begin with -----BEGIN CERTIFICATE-----.',
    context: { file },
    cause,
  })
}
