import type { S3Server } from './servers/s3.js'
import type { SshServer } from './servers/sshd.js'

/** The environment variables by which the main process of a run tells tests which servers there are, as JSON. */
export const variables = { s3: 'KLOSET_TEST_S3', ssh: 'KLOSET_TEST_SSH' } as const

/**
 * The S3 server of this run of the tests, or undefined where none could be started: `npm test` says at its end what is missing. Test
 * files that call this make the run start one, see global-s3.ts; each test makes a bucket of its own.
 */
export function givenS3(): S3Server | undefined {
  return given<S3Server>(variables.s3)
}

/** The SSH server of this run of the tests, as {@link givenS3}; each test makes a folder of its own below its `folder`. */
export function givenSsh(): SshServer | undefined {
  return given<SshServer>(variables.ssh)
}

function given<S extends { stop(): Promise<void> }>(variable: string): S | undefined {
  const text = process.env[variable]
  if (!text) return undefined
  // Who started it stops it.
  return { ...(JSON.parse(text) as S), stop: async () => undefined }
}
