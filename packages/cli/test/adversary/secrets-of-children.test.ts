// Programs that the command starts do not inherit passphrases, passwords and keys that are for it alone.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kloset, temporary } from '../command/kloset.js'

const secrets = {
  KLOSET_PASSPHRASE: 'leaked-own',
  KLOSET_PEER_PASSPHRASE: 'leaked-peer',
  KLOSET_SERVE_PASSWORD: 'leaked-serve',
  KLOSET_KEY: 'leaked-key',
  KLOSET_NEW_PASSPHRASE_2: 'leaked-later',
  S3_REPOSITORY_PASSWORD: 'leaked-s3',
  SFTP_PASSWORD: 'leaked-sftp',
  SFTP_IDENTITY_PASSPHRASE: 'leaked-identity',
  RESTIC_PASSWORD: 'leaked-restic',
}
const aws = { AWS_SECRET_ACCESS_KEY: 'aws-secret', AWS_SESSION_TOKEN: 'aws-token' }
const env = { ...secrets, ...aws, S3_REPOSITORY_USER: 'user', OTHER: 'as it is' }

function newStore(): string {
  const store = join(temporary(), 'store')
  expect(kloset(['at', store, 'create', '-q'], { env }).code).toBe(0)
  return store
}

test('a command whose output is saved does not, and nothing of them is in the snapshot', () => {
  const store = newStore()
  expect(kloset(['at', store, 'backup', '-q', '--from-command', '--', 'env'], { env }).code).toBe(0)
  const { stdout } = kloset(['at', store, 'cat', 'latest:env.out'], { env })
  expect(stdout).not.toContain('leaked')
  expect(stdout).toContain('OTHER=as it is')
  // `aws s3 cp … -` is such a command.
  expect(stdout).toContain('AWS_SECRET_ACCESS_KEY=aws-secret')
})

test('a command that prints the passphrase does not', () => {
  const store = newStore()
  const file = join(temporary(), 'environment')
  const command = `env > ${file}; echo leaked-own`
  const { KLOSET_PASSPHRASE: _, ...others } = env
  expect(kloset(['at', store, 'ls', '--passphrase-command', command], { env: others }).code).toBe(0)
  expect(readFileSync(file, 'utf8')).toContain('OTHER=as it is')
  expect(readFileSync(file, 'utf8')).not.toContain('leaked')
})

test.skipIf(process.platform !== 'linux')('programs of the system that mount do not, nor what is for AWS', () => {
  const store = newStore()
  const folder = temporary()
  const file = join(folder, 'environment')
  for (const program of ['mount', 'fusermount3', 'fusermount']) {
    writeFileSync(join(folder, program), `#!/bin/sh\nenv >> ${file}\nexit 1\n`)
    chmodSync(join(folder, program), 0o755)
  }
  mkdirSync(join(folder, 'at'))
  const path = { PATH: `${folder}:${process.env.PATH}` }
  expect(kloset(['at', store, 'mount', join(folder, 'at')], { env: { ...env, ...path } }).code).not.toBe(0)
  expect(readFileSync(file, 'utf8')).toContain('OTHER=as it is')
  expect(readFileSync(file, 'utf8')).not.toMatch(/leaked|aws-/)
})
