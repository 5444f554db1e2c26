import { type Context, isKlosetError, KlosetError, placeAbsent } from 'kloset/connector'
import type { Address } from './address.js'
import { makeBucket } from './bucket.js'
import type { Client } from './client.js'
import type { Credentials } from './credentials.js'
import { honoursIfAbsent } from './if-absent.js'
import { lookAt } from './listing.js'
import type { Remembered } from './memory.js'
import type { S3Settings } from './options.js'

/** How a place is opened. */
export interface Opening {
  readonly settings: S3Settings
  readonly mode: Context['mode']
  readonly remembered: Remembered
  readonly signal: AbortSignal
}

/** The region to ask first: what was said, what was right before, what is configured, or what the server is called after. */
export async function firstRegion(address: Address, credentials: Credentials, opening: Opening): Promise<string> {
  const { settings, mode, remembered, signal } = opening
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env
  const said = settings.region || remembered.region || address.region || AWS_REGION || AWS_DEFAULT_REGION
  // For a bucket that exists the server says where it is; only a new one needs to be put somewhere.
  const configured = !said && mode === 'create' ? await credentials.region(signal) : undefined
  return said || configured || 'us-east-1'
}

/**
 * Whether the server knows put-if-absent. `unproven`: nothing can be written now, for want of room or of rights, so that it could not be
 * tried out either.
 */
export type IfAbsent = 'yes' | 'no' | 'unproven'

/**
 * Makes sure that the bucket is there, making it in mode `create`, and tells whether the server knows put-if-absent. Where that is
 * remembered already, it makes no request.
 * @throws KLOSET_NOT_FOUND where there is no bucket
 */
export async function findPlace(client: Client, opening: Opening): Promise<IfAbsent> {
  try {
    return await findOut(client, opening)
  } catch (error) {
    if (!isKlosetError(error, 'KLOSET_NOT_FOUND')) throw error
    if (opening.mode !== 'create') {
      const { message, hint, context } = error
      throw placeAbsent(message, { ...(hint !== undefined && { hint }), context, cause: error })
    }
    await makeBucket(client, opening.signal)
    return findOut(client, opening)
  }
}

async function findOut(client: Client, { settings, mode, remembered, signal }: Opening): Promise<IfAbsent> {
  const said = settings['if-absent']
  const isKnown = remembered.region !== undefined && mode !== 'create'
  if (mode === 'read' || said !== 'probe') {
    if (!isKnown) await lookAt(client, signal)
    if (said === 'probe') return remembered.putIfAbsent ? 'yes' : 'unproven'
    return said === 'yes' ? 'yes' : 'no'
  }
  if (isKnown && remembered.putIfAbsent) return 'yes'
  try {
    return (await honoursIfAbsent(client, mode === 'create' ? racersAtCreation : racersLater, signal)) ? 'yes' : 'no'
  } catch (error) {
    const isReadable = isKlosetError(error, 'KLOSET_FULL') || isKlosetError(error, 'KLOSET_DENIED')
    if (mode === 'create' || !isReadable) throw error
    // Whoever wants to read, or to remove something, can do so all the same.
    await lookAt(client, signal)
    return 'unproven'
  }
}

// What a store is founded on is tried harder than whether a known place is still what it was.
const racersAtCreation = 8
export const racersLater = 2

/** @throws KLOSET_CONNECTOR for settings that make no sense, by themselves or together */
export function checkSettings(settings: S3Settings): void {
  const least = {
    concurrency: 1,
    'part-size': 5 * 1024 * 1024,
    'multipart-threshold': 1,
    'connect-timeout': 1,
    'idle-timeout': 1,
  }
  for (const [name, smallest] of Object.entries(least)) {
    if (settings[name as keyof typeof least] < smallest) throw unfit(name, `must be at least ${smallest}`)
  }
  if (settings['sse-kms-key'] !== undefined && !settings.sse?.startsWith('aws:kms'))
    throw unfit('sse-kms-key', 'needs sse to be aws:kms')
}

function unfit(option: string, problem: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the option ${option} of the connector s3 ${problem}`, {
    context: { connector: 's3', option },
  })
}
