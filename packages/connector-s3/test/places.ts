import { randomBytes } from 'node:crypto'
import { Registry, type Storage } from 'kloset/connector'
import type { S3Server } from '../../../testing/servers/s3.js'
import { s3 } from '../src/index.js'

/** A signal that is never aborted. */
export const signal: AbortSignal = new AbortController().signal
export const replacing: Parameters<Storage['put']>[2] = { signal, ifAbsent: false, tier: 'hot' }
export const ifAbsent: Parameters<Storage['put']>[2] = { signal, ifAbsent: true, tier: 'hot' }
export const whole: Parameters<Storage['get']>[1] = { signal, range: undefined }

export type Options = Readonly<Record<string, string | number | boolean>>

/** How a storage is opened besides its location. */
export interface Opening {
  readonly mode?: 'read' | 'write' | 'create'
  readonly options?: Options
  readonly memory?: Map<string, string>
  readonly log?: (message: string) => void
}

/** Opens a location as an app does, with the connector's defaults and without looking at the environment. */
export function open(
  at: string,
  { mode = 'write', options = {}, memory = new Map(), log }: Opening = {},
): Promise<Storage> {
  return new Registry([s3]).storage(at, {
    options,
    mode,
    signal,
    env: {},
    log: (_, message) => log?.(message),
    memory: {
      get: async (key) => memory.get(key),
      set: async (key, value) => void memory.set(key, value),
    },
  })
}

/** A name for a bucket that nobody has. */
export function newBucket(): string {
  return `test-${randomBytes(8).toString('hex')}`
}

/** The location of a bucket at the server, or at something in front of it. */
export function locate(server: { readonly endpoint: string }, bucket: string, prefix = ''): string {
  return `s3://${new URL(server.endpoint).host}/${bucket}${prefix === '' ? '' : `/${prefix}`}`
}

/** The keys of the server's user. */
export function keysOf({ accessKey, secretKey }: Pick<S3Server, 'accessKey' | 'secretKey'>): Options {
  return { 'access-key': accessKey, 'secret-key': secretKey }
}

/** Why tests are skipped. */
export const noServer = 'no S3 server: install radosgw, ceph-mon, ceph-osd and ceph-common, or set KLOSET_TEST_S3'
