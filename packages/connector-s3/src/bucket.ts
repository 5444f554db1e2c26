import type { Client } from './client.js'
import { codeOf } from './errors.js'
import { escapeXml } from './xml.js'

/**
 * Makes the bucket; that it is there already is fine.
 * API: CreateBucket
 */
export async function makeBucket(client: Client, signal: AbortSignal): Promise<void> {
  const { bucket, server } = client.address
  // Other servers than AWS have regions of their own naming, and one that they take by default.
  const constraint = server === undefined && client.region !== 'us-east-1' ? client.region : undefined
  const request = {
    method: 'PUT',
    ...(constraint !== undefined && { body: configuration(constraint) }),
    signal,
    doing: `make the bucket ${bucket}`,
    expect: [409],
  } as const
  const answer = await client.send(request)
  if (answer.status === 409 && codeOf(answer) !== 'BucketAlreadyOwnedByYou') throw client.refusal(request, answer)
}

function configuration(region: string): Uint8Array {
  const inner = `<LocationConstraint>${escapeXml(region)}</LocationConstraint>`
  return new TextEncoder().encode(`<CreateBucketConfiguration>${inner}</CreateBucketConfiguration>`)
}
