import {
  DeleteBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3Server } from '../../../testing/servers/s3.js'

/** Amazon's own client, to look at what this package did, and to do what it never does. */
export class Judge {
  readonly #client: S3Client

  constructor({ endpoint, accessKey, secretKey }: S3Server) {
    // It would speak about versions of Node in the middle of the tests.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
    this.#client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    })
  }

  /** All keys of a bucket, whatever they look like. */
  async keys(bucket: string): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(new ListObjectsV2Command({ Bucket: bucket }))
    return Contents.map(({ Key }) => Key!)
  }

  /** The uploads in parts that were neither completed nor given up. */
  async uploads(bucket: string): Promise<string[]> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    return Uploads.map(({ Key }) => Key!)
  }

  /** What is noted beside an object. */
  async notes(bucket: string, key: string): Promise<Record<string, string>> {
    const { Metadata = {} } = await this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
    return Metadata
  }

  async put(bucket: string, key: string, body: Uint8Array, notes: Record<string, string> = {}): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: notes }))
  }

  async removeBucket(bucket: string): Promise<void> {
    await this.#client.send(new DeleteBucketCommand({ Bucket: bucket }))
  }
}
