import { onAbort, type Paced } from 'kloset/connector'
import { crc32, crcHeader, md5 } from './checksums.js'
import type { Client } from './client.js'
import { damagedInTransit } from './errors.js'
import type { S3Settings } from './options.js'
import { escapeXml, rootOf, textIn } from './xml.js'

/** An object that is sent in parts. */
export interface InParts {
  readonly key: string
  readonly body: Uint8Array
  /** Of the object, as for a put. */
  readonly headers: Readonly<Record<string, string>>
  readonly partSize: number
  /** Parts under way at once. */
  readonly atOnce: number
  readonly checksums: S3Settings['checksums']
  readonly pace?: Paced['pace']
  readonly signal: AbortSignal
  readonly doing: string
}

/**
 * Stores an object in parts, several at once. Nothing of it is visible before all are there; where it fails or is aborted, the parts
 * that arrived are removed, and no memory of `body` is used any more.
 * API: CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload
 */
export async function putInParts(client: Client, object: InParts): Promise<void> {
  const { signal } = object
  const upload = await begin(client, object)
  const stop = new AbortController()
  const forget = onAbort(signal, () => stop.abort(signal.reason))
  try {
    signal.throwIfAborted()
    const parts = await sendParts(client, object, upload, stop)
    signal.throwIfAborted()
    await complete(client, object, upload, parts)
  } catch (error) {
    await abandon(client, object, upload)
    throw error
  } finally {
    forget()
  }
}

interface Part {
  readonly number: number
  readonly etag: string
  /** What the server calculated, where it does. */
  readonly crc32: string | undefined
}

async function begin(client: Client, { key, headers, checksums, signal, doing }: InParts): Promise<string> {
  const algorithm = checksums === 'crc32' && { 'x-amz-checksum-algorithm': 'CRC32' }
  const request = {
    method: 'POST',
    key,
    parameters: { uploads: '' },
    headers: { ...headers, ...algorithm },
    doing,
  } as const
  // An upload whose name is not known cannot be given up: an abort waits for it.
  const stop = new AbortController()
  const forget = onAbort(signal, () => setTimeout(() => stop.abort(signal.reason), abandonTimeout).unref())
  const answer = await client.send({ ...request, signal: stop.signal }).finally(forget)
  const upload = textIn(Buffer.from(answer.body).toString(), 'UploadId')
  if (upload === undefined) throw damagedInTransit(doing, 'the server began no upload', client.address.location)
  return upload
}

/** Sends all parts; when this settles, none is on its way any more. */
async function sendParts(client: Client, object: InParts, upload: string, stop: AbortController): Promise<Part[]> {
  const { body, partSize, atOnce } = object
  const count = Math.ceil(body.length / partSize)
  const numbers = Array.from({ length: count }, (_, at) => at + 1).values()
  const sent: Part[] = []
  const worker = async (): Promise<void> => {
    try {
      for (const number of numbers) {
        const bytes = body.subarray((number - 1) * partSize, number * partSize)
        sent.push(await sendPart(client, object, { upload, number, bytes, signal: stop.signal }))
      }
    } catch (error) {
      // The others are of no use any more.
      stop.abort(error)
      throw error
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: Math.min(atOnce, count) }, worker))
  if (workers.some(({ status }) => status === 'rejected')) throw stop.signal.reason
  return sent.sort((a, b) => a.number - b.number)
}

interface SentPart {
  readonly upload: string
  readonly number: number
  readonly bytes: Uint8Array
  readonly signal: AbortSignal
}

async function sendPart(client: Client, { key, checksums, doing }: InParts, part: SentPart): Promise<Part> {
  const { upload, number, bytes, signal } = part
  const parameters = { partNumber: String(number), uploadId: upload }
  const headers = transportChecksum(checksums, bytes)
  const answer = await client.send({ method: 'PUT', key, parameters, headers, body: bytes, signal, doing })
  const { etag, 'x-amz-checksum-crc32': crc } = answer.headers
  if (etag === undefined)
    throw damagedInTransit(doing, `the server did not confirm part ${number}`, client.address.location)
  return { number, etag, crc32: typeof crc === 'string' ? crc : undefined }
}

async function complete(client: Client, { key, signal, doing }: InParts, upload: string, parts: readonly Part[]) {
  const listed = parts.map(({ number, etag, crc32 }) => {
    const checksum = crc32 === undefined ? '' : `<ChecksumCRC32>${crc32}</ChecksumCRC32>`
    return `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag>${checksum}</Part>`
  })
  const body = new TextEncoder().encode(`<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`)
  const request = {
    method: 'POST',
    key,
    parameters: { uploadId: upload },
    headers: { 'content-type': 'application/xml' },
    body,
    signal,
    doing,
  } as const
  const answer = await client.send(request)
  // The status comes before the work is done; what became of it stands in the body.
  if (rootOf(Buffer.from(answer.body).toString()) !== 'CompleteMultipartUploadResult')
    throw client.refusal(request, answer)
}

/** Removes the parts. It is tried once, as it is only about room; a rule for the bucket can remove what is left all the same. */
async function abandon(client: Client, { key, doing }: InParts, upload: string): Promise<void> {
  const request = { method: 'DELETE', key, parameters: { uploadId: upload }, expect: [404], doing } as const
  await client.send({ ...request, signal: AbortSignal.timeout(abandonTimeout) }).catch(() => undefined)
}

// Whoever aborted a put waits no longer than this (milliseconds).
const abandonTimeout = 5_000

/** Headers by which the server notices that what arrived is not what was sent. */
export function transportChecksum(checksums: S3Settings['checksums'], bytes: Uint8Array): Record<string, string> {
  if (checksums === 'crc32') return { 'x-amz-checksum-crc32': crcHeader(crc32(bytes)) }
  return checksums === 'md5' ? { 'content-md5': md5(bytes) } : {}
}
