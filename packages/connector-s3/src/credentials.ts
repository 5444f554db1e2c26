import { abortable, KlosetError } from 'kloset/connector'
import type { S3Settings } from './options.js'
import type { Keys } from './signing.js'

/** Where keys come from. */
export interface Credentials {
  /** The keys to sign with now; undefined: sign nothing. @throws KLOSET_DENIED where there are none */
  keys(signal: AbortSignal): Promise<Keys | undefined>
  /** The region that is configured beside them, where something is. */
  region(signal: AbortSignal): Promise<string | undefined>
}

type Settings = Pick<S3Settings, 'access-key' | 'secret-key' | 'session-token' | 'profile' | 'anonymous'>
type Environment = Readonly<Record<string, string | undefined>>

/**
 * The keys of the settings; else those of AWS's environment variables; else what the AWS SDK finds: profiles, web identity, single
 * sign-on, a container's or a machine's role. The SDK is loaded only for these, as that alone takes a tenth of a second.
 * @throws KLOSET_CONNECTOR for half a pair of keys
 */
export function credentialsOf(settings: Settings, env: Environment): Credentials {
  const { profile, anonymous } = settings
  const [accessKey, secretKey] = [settings['access-key'], settings['secret-key']]
  if (anonymous) return fixed(undefined)
  if (accessKey !== undefined && secretKey !== undefined)
    return fixed({ accessKey, secretKey, sessionToken: settings['session-token'] })
  if (accessKey !== undefined || secretKey !== undefined) throw halfAPair(accessKey === undefined)
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = env
  if (AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY && profile === undefined && !AWS_PROFILE)
    return fixed({
      accessKey: AWS_ACCESS_KEY_ID,
      secretKey: AWS_SECRET_ACCESS_KEY,
      sessionToken: AWS_SESSION_TOKEN || undefined,
    })
  return fromChain(profile)
}

function fixed(keys: Keys | undefined): Credentials {
  return { keys: async () => keys, region: async () => undefined }
}

function fromChain(profile: string | undefined): Credentials {
  let loading: Promise<Chain> | undefined
  const chain = (): Promise<Chain> => {
    loading ??= loadChain(profile)
    return loading
  }
  return {
    keys: (signal) =>
      abortable(
        signal,
        chain().then(({ keys }) => keys()),
      ).catch((error) => {
        signal.throwIfAborted()
        throw noKeys(error, profile)
      }),
    region: (signal) =>
      abortable(
        signal,
        chain().then(({ region }) => region()),
      ).catch(() => undefined),
  }
}

interface Chain {
  /** Remembered, and asked for again shortly before they expire. */
  keys(): Promise<Keys>
  region(): Promise<string>
}

async function loadChain(profile: string | undefined): Promise<Chain> {
  const { S3Client } = await import('@aws-sdk/client-s3')
  const { config } = withoutWarning(() => new S3Client(profile === undefined ? {} : { profile }))
  return {
    keys: async () => {
      const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials()
      return { accessKey: accessKeyId, secretKey: secretAccessKey, sessionToken }
    },
    region: () => config.region(),
  }
}

// The SDK tells the users of an app which Node it will need one day. The variable is its own way of asking it not to.
function withoutWarning<T>(work: () => T): T {
  const variable = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'
  const before = process.env[variable]
  process.env[variable] = 'true'
  try {
    return work()
  } finally {
    if (before === undefined) delete process.env[variable]
    else process.env[variable] = before
  }
}

function halfAPair(isSecretOnly: boolean): KlosetError {
  const [given, missing] = isSecretOnly ? ['secret-key', 'access-key'] : ['access-key', 'secret-key']
  return new KlosetError('KLOSET_CONNECTOR', `the connector s3 was given ${given}, but no ${missing}`, {
    hint: 'Give both, or set S3_REPOSITORY_USER and S3_REPOSITORY_PASSWORD, or none to use the AWS configuration.',
    context: { connector: 's3', option: missing! },
  })
}

function noKeys(cause: unknown, profile: string | undefined): KlosetError {
  const where = profile === undefined ? '' : ` in the profile ${profile}`
  return new KlosetError('KLOSET_DENIED', `there are no usable credentials for S3${where}`, {
    hint: 'Set S3_REPOSITORY_USER and S3_REPOSITORY_PASSWORD, or the options access-key and secret-key, or sign in with an AWS tool.',
    cause,
  })
}
