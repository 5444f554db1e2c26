import { type Context, KlosetError, type Location, type Range, type Storage } from 'kloset/connector'
import { addressOf } from './address.js'
import { crc32, crcHeader, crcNote } from './checksums.js'
import { type Client, openClient } from './client.js'
import { credentialsOf } from './credentials.js'
import { damagedInTransit } from './errors.js'
import type { HttpAnswer } from './http.js'
import { honoursIfAbsent } from './if-absent.js'
import { listObjects } from './listing.js'
import { recall, remember } from './memory.js'
import { putInParts, transportChecksum } from './multipart.js'
import { checkObjectName } from './object-names.js'
import { checkSettings, findPlace, firstRegion, type IfAbsent, racersLater } from './opening.js'
import type { S3Schema, S3Settings } from './options.js'
import { Remover } from './removing.js'

/**
 * The objects below a prefix of a bucket: each is an S3 object of the same name. Put-if-absent is `If-None-Match: *`, where the server
 * honours it. Opening makes no request where this machine has opened the place before.
 * @throws KLOSET_NOT_FOUND where there is no bucket and `mode` is not `create`
 */
export async function s3Storage(at: Location, context: Context<S3Schema>): Promise<Storage> {
  const { options: settings, mode, signal, memory } = context
  signal.throwIfAborted()
  checkSettings(settings)
  const address = addressOf(at, settings, process.env)
  const credentials = credentialsOf(settings, process.env)
  const remembered = await recall(memory)
  const opening = { settings, mode, remembered, signal }
  const region = await firstRegion(address, credentials, opening)
  const client = await openClient({ address, credentials, region, settings })
  try {
    const known = await findPlace(client, opening)
    const proven = known === 'yes' && settings['if-absent'] === 'probe'
    await remember(memory, { region: client.region, ...(proven && { putIfAbsent: true }) })
    if (known === 'no' && mode !== 'read') context.log('warn', `${address.location} ${oneWriter}`)
    return new S3Storage(client, settings, mode !== 'read', known)
  } catch (error) {
    client.close()
    throw error
  }
}

class S3Storage implements Storage {
  readonly location: string
  readonly capabilities: Storage['capabilities']
  readonly #client: Client
  readonly #settings: S3Settings
  readonly #remover: Remover
  #unproven: boolean

  constructor(client: Client, settings: S3Settings, write: boolean, ifAbsent: IfAbsent) {
    const { concurrency } = settings
    this.location = client.address.location
    this.capabilities = { write, list: true, putIfAbsent: write && ifAbsent !== 'no', concurrency, paces: true }
    this.#client = client
    this.#settings = settings
    this.#remover = new Remover(client, concurrency)
    this.#unproven = ifAbsent === 'unproven'
  }

  async put(name: string, body: Uint8Array, how: Parameters<Storage['put']>[2]): Promise<'stored' | 'exists'> {
    const { signal, ifAbsent, tier, pace } = how
    signal.throwIfAborted()
    checkObjectName(name)
    this.#writable()
    const { checksums, 'part-size': partSize, 'multipart-threshold': threshold, concurrency } = this.#settings
    const object = {
      key: this.#key(name),
      headers: this.#headers(body, tier),
      body,
      pace,
      signal,
      doing: this.#doing('write', name),
    }
    // Some servers forget the condition when the parts are put together; whoever sets one has little to send anyway.
    if (!ifAbsent && body.length >= threshold) {
      await putInParts(this.#client, { ...object, partSize, atOnce: Math.min(partsAtOnce, concurrency), checksums })
      return 'stored'
    }
    if (ifAbsent && this.#unproven) await this.#prove(signal)
    // API: PutObject
    const condition = ifAbsent && { 'if-none-match': '*' }
    const answer = await this.#client.send({
      ...object,
      method: 'PUT',
      headers: { ...object.headers, ...transportChecksum(checksums, body), ...condition },
      ...(ifAbsent && { expect: [412] }),
    })
    return answer.status === 412 ? 'exists' : 'stored'
  }

  /** API: GetObject */
  async get(name: string, { signal, range, pace, memory }: Parameters<Storage['get']>[1]): Promise<Uint8Array> {
    signal.throwIfAborted()
    checkObjectName(name)
    if (range?.length === 0) return this.#nothing(name, range, signal)
    const answer = await this.#client.send({
      method: 'GET',
      key: this.#key(name),
      headers: range
        ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
        : { 'x-amz-checksum-mode': 'ENABLED' },
      large: { memory, crc: range === undefined },
      pace,
      signal,
      doing: this.#doing('read', name),
      expect: [416],
    })
    signal.throwIfAborted()
    if (answer.status === 416) throw tooShort(this.location, name, range)
    if (range === undefined) return this.#verified(name, answer)
    return this.#part(name, answer, range)
  }

  /** API: HeadObject */
  async stat(name: string, { signal }: Parameters<Storage['stat']>[1]): Promise<{ size: number } | undefined> {
    signal.throwIfAborted()
    checkObjectName(name)
    const answer = await this.#client.send({
      method: 'HEAD',
      key: this.#key(name),
      signal,
      doing: this.#doing('look at', name),
      expect: [404],
    })
    return answer.status === 404 ? undefined : { size: Number(answer.headers['content-length']) }
  }

  list(prefix: string, { signal, after }: Parameters<Storage['list']>[1]): ReturnType<Storage['list']> {
    return listObjects(this.#client, prefix, after, signal)
  }

  async remove(names: readonly string[], { signal }: Parameters<Storage['remove']>[1]): Promise<void> {
    signal.throwIfAborted()
    this.#writable()
    for (const name of names) checkObjectName(name)
    await this.#remover.remove(names, signal)
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  #key(name: string): string {
    return this.#client.address.prefix + name
  }

  #doing(verb: string, name: string): string {
    return `${verb} ${name} in ${this.location}`
  }

  #writable(): void {
    if (!this.capabilities.write) throw new KlosetError('KLOSET_READ_ONLY', `${this.location} was opened for reading`)
  }

  /** What could not be tried out when the place was opened is tried out before anybody relies on it. */
  async #prove(signal: AbortSignal): Promise<void> {
    if (!(await honoursIfAbsent(this.#client, racersLater, signal))) throw withoutIfAbsent(this.location)
    this.#unproven = false
  }

  #headers(body: Uint8Array, tier: 'hot' | 'cold'): Record<string, string> {
    const { sse, checksums, 'sse-kms-key': kmsKey, 'storage-class': storageClass } = this.#settings
    return {
      'content-type': 'application/octet-stream',
      ...(checksums !== 'none' && { [note]: crcNote(crc32(body)) }),
      ...(tier === 'cold' && storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
      ...(sse !== undefined && { 'x-amz-server-side-encryption': sse }),
      ...(kmsKey !== undefined && { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKey }),
    }
  }

  async #nothing(name: string, range: Range, signal: AbortSignal): Promise<Uint8Array> {
    const found = await this.stat(name, { signal })
    if (found === undefined) throw missing(this.location, name)
    if (range.offset > found.size) throw tooShort(this.location, name, range)
    return new Uint8Array(0)
  }

  /** A whole object, where the server or whoever stored it noted a checksum: of these bytes. */
  #verified(name: string, { body, headers, ...answer }: HttpAnswer): Uint8Array {
    const noted = headers[note]
    const given = headers['x-amz-checksum-crc32']
    // That of an object in parts may be one of their checksums, which then ends in how many.
    const whole = typeof given === 'string' && !given.includes('-') ? given : undefined
    if (noted === undefined && whole === undefined) return body
    const crc = answer.crc ?? crc32(body)
    if (whole === undefined ? noted === crcNote(crc) : whole === crcHeader(crc)) return body
    throw damagedInTransit(this.#doing('read', name), 'it is not what its checksum says', this.location)
  }

  /** Exactly the range, however the server chose to answer. */
  #part(name: string, { status, body, headers }: HttpAnswer, { offset, length }: Range): Uint8Array {
    // A server may ignore the range (RFC 9110 §14.2) and give the whole.
    const span = status === 206 ? spanOf(headers['content-range']) : { start: 0, total: body.length }
    if (span === undefined || span.start > offset)
      throw damagedInTransit(this.#doing('read', name), 'the answer is another part than was asked for', this.location)
    if (span.total !== undefined && offset + length > span.total)
      throw tooShort(this.location, name, { offset, length }, span.total)
    const part = body.subarray(offset - span.start, offset - span.start + length)
    if (part.length === length) return part
    throw damagedInTransit(this.#doing('read', name), `${part.length} of ${length} bytes came`, this.location)
  }
}

// User metadata, which every server keeps with an object. Not all know the checksums that are S3's own.
const note = 'x-amz-meta-crc32'

// As many saturate a line; more would take it from other objects.
const partsAtOnce = 4

const oneWriter = 'cannot tell which of two writers was first: only one may write at a time'

function withoutIfAbsent(location: string): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `${location} ${oneWriter}`, {
    hint: 'Set the option if-absent to no, and make sure that nobody else writes.',
    context: { location },
  })
}

function spanOf(header: string | undefined): { start: number; total: number | undefined } | undefined {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header ?? '') ?? []
  if (start === undefined) return undefined
  return { start: Number(start), total: total === '*' ? undefined : Number(total) }
}

function missing(location: string, name: string): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `there is no ${name} in ${location}`, { context: { name } })
}

function tooShort(location: string, name: string, range: Range | undefined, size?: number): KlosetError {
  const end = range === undefined ? 0 : range.offset + range.length
  const has = size === undefined ? 'ends before' : `has ${size} bytes, not`
  return new KlosetError('KLOSET_NOT_FOUND', `${name} in ${location} ${has} the ${end} asked for`, {
    context: { name, ...(size !== undefined && { size }) },
  })
}
