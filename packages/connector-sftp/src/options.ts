import type { Options } from 'kloset/connector'

/** What an SFTP location can be told besides user, host, port and path. */
export const sftpOptions = {
  user: {
    type: 'string',
    describe: 'the user to log in as; default: the one of the SSH configuration, else of this system',
  },
  port: { type: 'integer', describe: 'the port of the SSH server; default 22' },
  identity: {
    type: 'string',
    describe:
      'the file of the private key to log in with; default: those of the SSH configuration, else id_ed25519, id_ecdsa and id_rsa in ~/.ssh',
  },
  'identity-passphrase': {
    type: 'string',
    describe: 'the passphrase of the private key',
    secret: true,
    env: 'SFTP_IDENTITY_PASSPHRASE',
  },
  agent: {
    type: 'string',
    describe: 'the socket of the SSH agent to ask for keys, or none',
    env: 'SSH_AUTH_SOCK',
  },
  password: {
    type: 'string',
    describe: 'the password to log in with where no key is accepted',
    secret: true,
    env: 'SFTP_PASSWORD',
  },
  'known-hosts': {
    type: 'string',
    describe: 'the file of known host keys; default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts',
  },
  'host-key': {
    type: 'string',
    describe: 'the fingerprint of the only host key to accept (SHA256:…), instead of those in known_hosts',
  },
  'ssh-config': {
    type: 'string',
    describe:
      'the SSH configuration to take settings of the host from, or none; default: ~/.ssh/config and /etc/ssh/ssh_config',
  },
  'proxy-command': {
    type: 'boolean',
    describe: 'run the ProxyCommand of the SSH configuration, where it has one',
    default: false,
  },
  concurrency: { type: 'integer', describe: 'how many objects are transferred at once', default: 8 },
  connections: { type: 'integer', describe: 'how many connections are opened at most', default: 1 },
  channels: { type: 'integer', describe: 'how many SFTP sessions each connection has at most', default: 8 },
  pipeline: {
    type: 'integer',
    describe: 'how many requests, of up to 255 KiB, are on their way at once for each object',
    default: 16,
  },
  'connect-timeout': { type: 'integer', describe: 'how many seconds connecting and logging in may take', default: 20 },
  'idle-timeout': {
    type: 'integer',
    describe: 'after how many seconds without an answer what was asked is given up',
    default: 120,
  },
} as const

/** The shape of {@link sftpOptions}. */
export type SftpSchema = typeof sftpOptions

/** The values of all options. */
export type SftpSettings = Options<SftpSchema>
