import { isKlosetError, KlosetError, type KlosetErrorCode } from 'kloset/connector'
import type { HttpAnswer } from './http.js'
import { rootOf, textIn } from './xml.js'

/** What an error is about. */
export interface About {
  /** What was tried, completing "cannot …". */
  readonly doing: string
  readonly location: string
  readonly bucket: string
  /** The server, as `host:port`. */
  readonly server: string
  /** Whether a body was sent along. */
  readonly sending: boolean
  /** Whether the server has ever answered this client: what it is called is right, then. */
  readonly known: boolean
  /** Takes secrets out of what the server says. */
  readonly hide: (text: string) => string
}

/** What a server said that did not do as it was asked; the cause of the error that is thrown. */
export class S3Answer extends Error {
  readonly status: number
  /** S3's own name for it, such as `NoSuchBucket`. */
  readonly code: string | undefined
  /** What the people who run the server find it by. */
  readonly request: string | undefined

  constructor(status: number, code: string | undefined, message: string, request: string | undefined) {
    super(message)
    this.name = 'S3Answer'
    this.status = status
    this.code = code
    this.request = request
  }
}

/** S3's name for what went wrong, where the answer has one. */
export function codeOf(answer: HttpAnswer): string | undefined {
  return textIn(textOf(answer), 'Code')
}

/** The {@link KlosetError} for an answer that is none of those expected. */
export function answerError(answer: HttpAnswer, about: About): KlosetError {
  const { status, headers } = answer
  const text = textOf(answer)
  const code = textIn(text, 'Code')
  const said = about.hide((textIn(text, 'Message') ?? '').slice(0, 300))
  const meaning = meanings[code ?? ''] ?? meaningOf(status, code, said)
  const known = typeof meaning === 'function' ? meaning(about) : meaning
  const request = oneOf(headers['x-amz-request-id'] ?? headers['x-goog-request-id'])
  return new KlosetError(known.code, `cannot ${about.doing}: ${known.means}`, {
    ...(known.retry && { retry: known.retry, retryAfter: retryAfter(oneOf(headers['retry-after'])) }),
    ...(known.hint && { hint: known.hint }),
    context: { location: about.location, status, ...(code !== undefined && { s3: code }) },
    cause: new S3Answer(status, code, said === '' ? `the server answered ${status}` : said, request),
  })
}

/** The {@link KlosetError} for a request without an answer. What is ours already comes back as it is. */
export function connectionError(error: unknown, about: About): unknown {
  if (isKlosetError(error)) return error
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  if (typeof code !== 'string') return error
  const { doing, location, server, known } = about
  const meaning = offline[code] ?? certificateMeaning(code) ?? protocolMeaning(code)
  if (meaning === undefined) return error
  const permanent = meaning.permanent && !(meaning.permanent === 'unless-known' && known)
  return new KlosetError('KLOSET_OFFLINE', `cannot ${doing}: ${server} ${meaning.means}`, {
    ...(!permanent && { retry: 'later' }),
    ...(meaning.hint && { hint: meaning.hint }),
    context: { location, network: code },
    cause: error,
  })
}

/** An object that is not what was stored, or not as much: another try may bring it whole. */
export function damagedInTransit(doing: string, what: string, location: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `cannot ${doing}: ${what}`, {
    retry: 'later',
    hint: 'If it stays, something between here and the server changes what passes through it.',
    context: { location },
  })
}

/** An answer of something that is no S3 server. */
export function notS3({ doing, location, server }: About): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `cannot ${doing}: what answers at ${server} does not speak S3`, {
    hint: 'Check host and port: a web console often has another port than S3 itself.',
    context: { location },
  })
}

interface Meaning {
  readonly code: KlosetErrorCode
  readonly means: string
  readonly hint?: string
  readonly retry?: 'later'
}

const damaged: Meaning = { code: 'KLOSET_CONNECTOR', means: 'it arrived damaged', retry: 'later' }
const incomplete: Meaning = { code: 'KLOSET_OFFLINE', means: 'only a part of it arrived', retry: 'later' }
const overloaded: Meaning = {
  code: 'KLOSET_BUSY',
  means: 'the server asks to be left alone for a while',
  retry: 'later',
}
const failed: Meaning = { code: 'KLOSET_BUSY', means: 'the server failed', retry: 'later' }
const expired: Meaning = {
  code: 'KLOSET_DENIED',
  means: 'the credentials have expired',
  hint: 'Sign in again, or get new keys, and run it again: what was stored so far is kept.',
}
const denied: Meaning = {
  code: 'KLOSET_DENIED',
  means: 'the server denies access',
  hint: 'Give the access key the rights to list the bucket and to get, put and delete objects in it. To read only, open the store for reading.',
}
const full: Meaning = {
  code: 'KLOSET_FULL',
  means: 'there is no room left on the server, or the quota is used up',
  hint: 'Free some space or raise the quota, then run it again: what was stored so far is kept.',
}
const tooLarge: Meaning = {
  code: 'KLOSET_LIMIT',
  means: 'the server takes no objects of this size',
  hint: 'Send large objects in parts (multipart-threshold), or create the store with smaller packs.',
}
const elsewhere: Meaning = {
  code: 'KLOSET_CONNECTOR',
  means: 'the bucket is in another region than it was looked for in',
  hint: 'Set the option region to the one of the bucket.',
}
const unsupported: Meaning = { code: 'KLOSET_UNSUPPORTED', means: 'the server does not know how' }
const noKms: Meaning = {
  code: 'KLOSET_DENIED',
  means: 'the key for the server-side encryption cannot be used',
  hint: 'Check the option sse-kms-key and the rights to use that key.',
}

const meanings: Readonly<Record<string, Meaning | ((about: About) => Meaning)>> = {
  NoSuchBucket: ({ bucket, server }) => ({
    code: 'KLOSET_NOT_FOUND',
    means: `there is no bucket ${bucket} at ${server}`,
    hint: 'Check the name of the bucket. Creating a store makes a bucket that is missing.',
  }),
  // Ceph's answer to a put whose connection ended in the middle.
  NoSuchKey: ({ sending }) => (sending ? incomplete : { code: 'KLOSET_NOT_FOUND', means: 'there is no such object' }),
  NoSuchUpload: { code: 'KLOSET_BUSY', means: 'the server has forgotten an upload midway', retry: 'later' },
  AccessDenied: denied,
  AllAccessDisabled: denied,
  AccountProblem: denied,
  InvalidAccessKeyId: {
    code: 'KLOSET_DENIED',
    means: 'the server does not know the access key',
    hint: 'Check the access key (S3_REPOSITORY_USER, the option access-key), and that it belongs to this server.',
  },
  SignatureDoesNotMatch: {
    code: 'KLOSET_DENIED',
    means: 'the signature does not match',
    hint: 'The secret key is wrong, most likely (S3_REPOSITORY_PASSWORD, the option secret-key); else a proxy changes requests.',
  },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,
  InvalidToken: { ...expired, means: 'the session token is not valid' },
  RequestTimeTooSkewed: {
    code: 'KLOSET_DENIED',
    means: 'the clocks here and there differ by too much',
    hint: 'Set the clock of this machine.',
  },
  BucketAlreadyExists: ({ bucket }) => ({
    code: 'KLOSET_DENIED',
    means: `the bucket ${bucket} belongs to somebody else`,
    hint: 'Choose another name: all users of a server share the names of buckets.',
  }),
  InvalidBucketName: ({ bucket }) => ({
    code: 'KLOSET_CONNECTOR',
    means: `${bucket} is no name for a bucket`,
    hint: 'Use 3 to 63 characters: lower-case letters, digits and hyphens. s3://host/bucket names a server only where host has a dot or a port.',
  }),
  TooManyBuckets: { ...full, means: 'the account has as many buckets as it may have' },
  SlowDown: overloaded,
  Throttling: overloaded,
  ThrottlingException: overloaded,
  TooManyRequests: overloaded,
  RequestLimitExceeded: overloaded,
  ServiceUnavailable: overloaded,
  InternalError: failed,
  OperationAborted: { code: 'KLOSET_BUSY', means: 'another request was in the way', retry: 'later' },
  ConditionalRequestConflict: { code: 'KLOSET_BUSY', means: 'another writer was in the way', retry: 'later' },
  RequestTimeout: { code: 'KLOSET_OFFLINE', means: 'the server waited in vain for the rest of it', retry: 'later' },
  IncompleteBody: incomplete,
  BadDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
  XAmzContentChecksumMismatch: damaged,
  QuotaExceeded: full,
  StorageQuotaExceeded: full,
  InsufficientStorage: full,
  InsufficientCapacity: full,
  XMinioStorageFull: full,
  XMinioAdminBucketQuotaExceeded: full,
  EntityTooLarge: tooLarge,
  MaxMessageLengthExceeded: tooLarge,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  Redirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  InvalidLocationConstraint: { ...elsewhere, means: 'the server knows no such region' },
  InvalidRegion: { ...elsewhere, means: 'the server knows no such region' },
  InvalidStorageClass: {
    code: 'KLOSET_UNSUPPORTED',
    means: 'the server has no such storage class',
    hint: 'Check the option storage-class.',
  },
  InvalidObjectState: {
    code: 'KLOSET_UNSUPPORTED',
    means: 'the object is in an archive and cannot be read as it is',
    hint: 'Have the server restore it from the archive first. Choose a storage class that is read at once.',
  },
  NotImplemented: unsupported,
  MethodNotAllowed: unsupported,
  'KMS.DisabledException': noKms,
  'KMS.NotFoundException': noKms,
  'KMS.KMSInvalidStateException': noKms,
}

function meaningOf(status: number, code: string | undefined, said: string): Meaning {
  if (status === 429 || status === 503) return overloaded
  if (status === 507) return full
  if (status === 501 || status === 405) return unsupported
  if (status >= 500) return failed
  if (status === 401 || status === 403) return denied
  if (status === 413) return tooLarge
  if (status === 404) return { code: 'KLOSET_NOT_FOUND', means: 'there is no such object or bucket' }
  if (status === 408) return { code: 'KLOSET_OFFLINE', means: 'the server waited in vain', retry: 'later' }
  if (status === 409) return { code: 'KLOSET_BUSY', means: 'another request was in the way', retry: 'later' }
  if (status >= 300 && status < 400) return elsewhere
  const answered = `the server answered ${status}${code === undefined ? '' : ` ${code}`}`
  return { code: 'KLOSET_CONNECTOR', means: said === '' ? answered : `${answered} (${said})` }
}

interface Silence {
  /** Completes the server's name. */
  readonly means: string
  readonly hint?: string
  /** Whether trying again is in vain: always, or unless the server has answered before. */
  readonly permanent?: true | 'unless-known'
}

const checkName = 'Check the location for the name of the server, and the network.'
const checkServer = 'Check host and port, that the server runs, and that no firewall is in between.'
const cutOff: Silence = { means: 'ended the connection in the middle' }
const unreachable: Silence = { means: 'cannot be reached', hint: checkServer }

const offline: Readonly<Record<string, Silence>> = {
  ENOTFOUND: { means: 'has no address', hint: checkName, permanent: 'unless-known' },
  EAI_AGAIN: { means: 'could not be looked up', hint: checkName },
  ECONNREFUSED: { means: 'refuses connections', hint: checkServer },
  ECONNRESET: cutOff,
  ECONNABORTED: cutOff,
  EPIPE: cutOff,
  'cut-off': cutOff,
  EHOSTUNREACH: unreachable,
  EHOSTDOWN: unreachable,
  ENETUNREACH: unreachable,
  ENETDOWN: unreachable,
  ENETRESET: unreachable,
  EADDRNOTAVAIL: unreachable,
  ETIMEDOUT: { means: 'does not answer', hint: checkServer },
  'connect-timeout': { means: 'does not answer', hint: checkServer },
  idle: { means: 'has fallen silent' },
  trickle: { means: 'sends hardly anything any more' },
  'too-large': { means: 'sends more than any object has', permanent: true },
}

function certificateMeaning(code: string): Silence | undefined {
  const problem = certificates[code]
  return problem === undefined ? undefined : { permanent: true, ...problem }
}

const untrusted = {
  means: 'has a certificate of an authority that is not trusted here',
  hint: 'Give the certificate of the authority, or the server’s own where it signed itself, with the option ca.',
}

const certificates: Readonly<Record<string, { readonly means: string; readonly hint: string }>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  INVALID_CA: untrusted,
  CERT_HAS_EXPIRED: {
    means: 'has a certificate that has expired',
    hint: 'Have it renewed; or set the clock of this machine, if it is wrong.',
  },
  CERT_NOT_YET_VALID: {
    means: 'has a certificate that is not valid yet',
    hint: 'Set the clock of this machine.',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    means: 'has a certificate for another name',
    hint: 'Write the location with the name in the certificate. For buckets in the name of the host, set path-style.',
  },
}

/** Whoever speaks TLS to a server that does not, or the other way around, is told in many ways. */
function protocolMeaning(code: string): Silence | undefined {
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_'))
    return {
      means: 'cannot agree on an encrypted connection',
      hint: 'If the server is not encrypted, set tls=false; anybody in between can then read the requests.',
      permanent: true,
    }
  if (code.startsWith('HPE_'))
    return {
      means: 'does not speak HTTP',
      hint: 'Check the port; if the server is encrypted, leave out tls=false.',
      permanent: 'unless-known',
    }
  return undefined
}

/** Milliseconds from a header in seconds or with a date (RFC 9110 §10.2.3), an hour at most. */
export function retryAfter(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 3_600_000)
}

// Answers that are errors are short; what is not is no answer of S3.
function textOf({ body }: HttpAnswer): string {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 65_536)).toString()
  return rootOf(text) === undefined ? '' : text
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
