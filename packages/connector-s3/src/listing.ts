import { KlosetError, type StoredObject } from 'kloset/connector'
import type { Client } from './client.js'
import { isObjectName } from './object-names.js'
import { elementsIn, rootOf, textIn } from './xml.js'

/**
 * The objects whose names start with `prefix` and follow `after`, ascending, in batches as the server gives them: up to 1,000. What is
 * not named as an object is, is left out.
 * API: ListObjectsV2
 */
export async function* listObjects(
  client: Client,
  prefix: string,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredObject[]> {
  const { prefix: root } = client.address
  let last = after
  let token: string | undefined
  let empty = 0
  do {
    const page = await listPage(client, {
      prefix: root + prefix,
      after: last === undefined ? undefined : root + last,
      token,
      signal,
    })
    const batch = page.objects.flatMap(({ name: key, size }) => {
      const name = key.slice(root.length)
      return key.startsWith(root) && isObjectName(name) ? [{ name, size }] : []
    })
    for (const { name } of batch) {
      if (last !== undefined && name <= last) throw outOfOrder(client, name, last)
      last = name
    }
    if (batch.length > 0) yield batch
    signal.throwIfAborted()
    empty = page.objects.length > 0 ? 0 : empty + 1
    if ((page.next !== undefined && page.next === token) || empty > mostEmptyPages) throw noEnd(client)
    token = page.next
  } while (token !== undefined)
}

/** Asks for a single key: whether the bucket is there and may be listed. */
export async function lookAt(client: Client, signal: AbortSignal): Promise<void> {
  await listPage(client, { prefix: client.address.prefix, after: undefined, token: undefined, signal, most: 1 })
}

interface Wanted {
  readonly prefix: string
  readonly after: string | undefined
  /** Where the page before ended, as the server put it. */
  readonly token: string | undefined
  readonly signal: AbortSignal
  readonly most?: number
}

interface Page {
  readonly objects: readonly StoredObject[]
  readonly next: string | undefined
}

async function listPage(client: Client, { prefix, after, token, signal, most = 1000 }: Wanted): Promise<Page> {
  const doing = `list ${client.address.location}`
  const parameters = {
    'list-type': '2',
    'encoding-type': 'url',
    'max-keys': String(most),
    prefix,
    'start-after': token === undefined ? after : undefined,
    'continuation-token': token,
  }
  const request = { method: 'GET', parameters, signal, doing } as const
  const answer = await client.send(request)
  if (answer.body.length > largestPage) throw noEnd(client)
  const xml = Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.length).toString()
  if (rootOf(xml) !== 'ListBucketResult') throw client.notS3(request)
  const isEncoded = textIn(xml, 'EncodingType') === 'url'
  const objects = elementsIn(xml, 'Contents').map((element) => {
    const key = textIn(element, 'Key') ?? ''
    return { name: isEncoded ? decode(key) : key, size: Number(textIn(element, 'Size')) }
  })
  const next = textIn(xml, 'IsTruncated') === 'true' ? textIn(xml, 'NextContinuationToken') : undefined
  return { objects, next }
}

/** Keys that are not UTF-8 stay as they are: they are none of ours. */
function decode(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return key
  }
}

/** A page with nothing in it may come where much was deleted; more of them in a row are no listing. */
const mostEmptyPages = 100

/** A thousand keys of 1,024 bytes, each of which is three when it is encoded, and what else is told of them, four times over. */
const largestPage = 16 * 1024 * 1024

function noEnd({ address }: Client): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the server's listing of ${address.location} does not come to an end`, {
    hint: 'Check that the location names an S3 server.',
    context: { location: address.location },
  })
}

function outOfOrder({ address }: Client, name: string, last: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the server lists ${name} after ${last} in ${address.location}`, {
    hint: 'Use a bucket of a kind that lists in order: directory buckets (S3 Express) do not.',
    context: { location: address.location, name },
  })
}
