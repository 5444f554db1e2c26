import { createHash, createHmac } from 'node:crypto'

/** Keys that requests are signed with. */
export interface Keys {
  readonly accessKey: string
  readonly secretKey: string
  /** Of keys that were lent for a while. */
  readonly sessionToken?: string | undefined
}

/** A request to be signed. Names of headers are in lower case. */
export interface Signable {
  readonly method: string
  /** As it is sent: each segment percent-encoded once. */
  readonly path: string
  /** Encoded and sorted, without the question mark. */
  readonly query: string
  /** All of them are signed; `host` and `x-amz-content-sha256` must be among them. */
  readonly headers: Readonly<Record<string, string>>
}

/** What stands in the place of a body's digest where the transport protects it already. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD'

/** The digest of no body. */
export const emptyPayload: string = sha256(new Uint8Array(0))

/**
 * Signs requests as AWS Signature Version 4 describes (IAM User Guide, "Create a signed AWS API request"), with the rules for S3:
 * paths are encoded once, and the digest of the body is a header.
 */
export class Signer {
  readonly region: string
  // The key derived for a day, and what it was derived from.
  #derived: { readonly from: string; readonly key: Buffer } = { from: '', key: Buffer.alloc(0) }

  constructor(region: string) {
    this.region = region
  }

  /** The headers of the request, with those that the signature adds. */
  sign(request: Signable, keys: Keys, now: Date): Record<string, string> {
    const time = now.toISOString().replace(/[-:]|\.\d+/g, '')
    const token = keys.sessionToken === undefined ? undefined : { 'x-amz-security-token': keys.sessionToken }
    const headers: Record<string, string> = { ...request.headers, 'x-amz-date': time, ...token }
    const names = Object.keys(headers).sort()
    const signed = names.join(';')
    const canonical = [
      request.method,
      request.path,
      request.query,
      ...names.map((name) => `${name}:${headers[name]!.trim().replace(/ +/g, ' ')}`),
      '',
      signed,
      headers['x-amz-content-sha256'],
    ].join('\n')
    const day = time.slice(0, 8)
    const scope = `${day}/${this.region}/s3/aws4_request`
    const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`
    const signature = hmac(this.#keyFor(day, keys), text).toString('hex')
    headers.authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKey}/${scope},SignedHeaders=${signed},Signature=${signature}`
    return headers
  }

  #keyFor(day: string, { secretKey }: Keys): Buffer {
    const from = `${day} ${secretKey}`
    if (this.#derived.from !== from) {
      const key = [day, this.region, 's3', 'aws4_request'].reduce(hmac, Buffer.from(`AWS4${secretKey}`))
      this.#derived = { from, key }
    }
    return this.#derived.key
  }
}

/** The lower-case hex SHA-256 digest of a body. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
