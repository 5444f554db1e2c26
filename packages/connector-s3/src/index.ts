import type { Connector, Context, Location } from 'kloset/connector'
import { type S3Schema, s3Options } from './options.js'

export { type S3Schema, type S3Settings, s3Options } from './options.js'
export { serverOf } from './server.js'

/** Storage in a bucket of AWS or of any server that speaks S3: `s3://bucket/prefix`, `s3://host:port/bucket/prefix`. */
export const s3: Connector = {
  contract: 1,
  name: 's3',
  protocols: ['s3'],
  options: s3Options,
  async storage(at: Location, context: Context) {
    // Apps know this connector whether or not they use it: what it needs is loaded when a storage is opened.
    const { s3Storage } = await import('./storage.js')
    // Filled by the schema above.
    return s3Storage(at, context as Context<S3Schema>)
  },
}

export default s3
