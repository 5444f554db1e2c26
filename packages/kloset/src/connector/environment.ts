/** Environment variables, as Node has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The environment for a program that a person named, such as one that dumps a database: without the passphrases, passwords and keys that are
 * for this process alone. Keys of AWS stay, since `aws s3 cp` is such a program.
 */
export function withoutOwnSecrets(environment: Environment): Record<string, string | undefined> {
  return without(environment, ownSecrets)
}

/** The environment for a program of the system that needs no secret at all, such as `mount`. */
export function withoutSecrets(environment: Environment): Record<string, string | undefined> {
  return without(withoutOwnSecrets(environment), othersSecrets)
}

function without(environment: Environment, names: RegExp): Record<string, string | undefined> {
  // On Windows names differ in case at will.
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.test(name)))
}

const ownSecrets =
  /^(?:KLOSET_\w*(?:PASSPHRASE|PASSWORD|SECRET|TOKEN|KEY)\w*|S3_REPOSITORY_PASSWORD|SFTP_PASSWORD|SFTP_IDENTITY_PASSPHRASE|RESTIC_PASSWORD)$/i

const othersSecrets = /^AWS_(?:SECRET_ACCESS_KEY|SESSION_TOKEN|CONTAINER_AUTHORIZATION_TOKEN)$|^SSH_AUTH_SOCK$/i
