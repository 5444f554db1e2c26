import type { Options } from 'kloset/connector'

/** What can be set. */
export const s3Options = {
  'access-key': {
    type: 'string',
    env: 'S3_REPOSITORY_USER',
    describe: 'Id of the access key. Default: what AWS tools use (environment, profiles, role of the machine)',
  },
  'secret-key': {
    type: 'string',
    secret: true,
    env: 'S3_REPOSITORY_PASSWORD',
    describe: 'Secret of the access key',
  },
  'session-token': { type: 'string', secret: true, describe: 'Token that belongs to temporary keys' },
  profile: { type: 'string', describe: 'Profile of the AWS configuration files to take keys from' },
  anonymous: { type: 'boolean', default: false, describe: 'Sign nothing: for buckets that everybody may read' },
  region: { type: 'string', describe: 'Region of the bucket. Default: AWS_REGION, or what the server says' },
  endpoint: {
    type: 'string',
    describe: 'URL of the server, where the location names only a bucket: https://s3.example.com',
  },
  tls: { type: 'boolean', describe: 'Encrypt the connection. Default: yes, except to this very machine' },
  ca: {
    type: 'string',
    describe: 'File with certificates (PEM) of authorities to trust, for a server with a certificate of its own',
  },
  'path-style': {
    type: 'boolean',
    describe: 'Bucket in the path (yes) or in the name of the host (no). Default: host for AWS, path for others',
  },
  'storage-class': {
    type: 'string',
    describe: 'Storage class of packs, such as STANDARD_IA. What is read often stays in the default class',
  },
  sse: {
    type: 'string',
    oneOf: ['AES256', 'aws:kms', 'aws:kms:dsse'],
    describe: 'Have the server encrypt what it stores, besides the encryption of the store',
  },
  'sse-kms-key': { type: 'string', describe: 'Id of the key for sse aws:kms. Default: the one of the account' },
  'if-absent': {
    type: 'string',
    oneOf: ['probe', 'yes', 'no'],
    default: 'probe',
    describe: 'Whether the server honours If-None-Match, which several writers need. Probed once, then remembered',
  },
  checksums: {
    type: 'string',
    oneOf: ['crc32', 'md5', 'none'],
    default: 'crc32',
    describe: 'What uploads are verified with. md5 costs more, and every server knows it',
  },
  concurrency: { type: 'integer', default: 16, describe: 'Requests at once' },
  'multipart-threshold': {
    type: 'integer',
    default: 67_108_864,
    describe: 'Bytes from which on an object is sent in parts, several at once',
  },
  'part-size': { type: 'integer', default: 16_777_216, describe: 'Bytes of such a part, at least 5 MiB' },
  'connect-timeout': { type: 'integer', default: 15, describe: 'Seconds to wait for a connection' },
  'idle-timeout': { type: 'integer', default: 60, describe: 'Seconds in which something must move' },
} as const

/** The schema of {@link s3Options}. */
export type S3Schema = typeof s3Options

/** The values of {@link s3Options}. */
export type S3Settings = Options<S3Schema>
