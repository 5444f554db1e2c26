import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Credentials, credentialsOf } from '../src/credentials.js'
import { signal } from './places.js'

const folder = mkdtempSync(join(tmpdir(), 'kloset-s3-'))
const file = join(folder, 'credentials')
afterAll(() => rmSync(folder, { recursive: true }))

const none = {
  'access-key': undefined,
  'secret-key': undefined,
  'session-token': undefined,
  profile: undefined,
  anonymous: false,
}
const env = { AWS_ACCESS_KEY_ID: 'from-env', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: '' }
const accessKey = async (credentials: Credentials) => (await credentials.keys(signal))?.accessKey
const loadedSdk = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('@aws-sdk'))

beforeEach(() => {
  // The SDK reads these; nothing of this machine may interfere.
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE', 'AWS_REGION', 'AWS_DEFAULT_REGION'])
    vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file)
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
})
afterEach(() => vi.unstubAllEnvs())

test('keys that are given win over those of the environment', async () => {
  const given = { ...none, 'access-key': 'given', 'secret-key': 's', 'session-token': 't' }
  expect(await credentialsOf(given, env).keys(signal)).toEqual({
    accessKey: 'given',
    secretKey: 's',
    sessionToken: 't',
  })
  expect(await accessKey(credentialsOf(none, env))).toBe('from-env')
  expect(await credentialsOf({ ...none, anonymous: true }, env).keys(signal)).toBeUndefined()
  // None of this is worth loading the SDK for.
  expect(loadedSdk()).toBe(false)
})

test('half a pair is refused, without showing it', () => {
  for (const half of [{ 'access-key': 'the-half' }, { 'secret-key': 'the-half' }]) {
    const open = () => credentialsOf({ ...none, ...half }, env)
    expect(open).toThrow(/was given (access|secret)-key, but no (access|secret)-key/)
    expect(open).not.toThrow(/the-half/)
  }
})

test('profiles are read by the SDK, which does not speak about versions of Node', async () => {
  writeFileSync(file, '[default]\naws_access_key_id=by-default\naws_secret_access_key=s\n')
  writeFileSync(file, '[mine]\naws_access_key_id=of-mine\naws_secret_access_key=s\n', { flag: 'a' })
  writeFileSync(join(folder, 'config'), '[profile mine]\nregion=eu-north-1\n')
  const warnings = vi.spyOn(process, 'emitWarning')
  const mine = credentialsOf({ ...none, profile: 'mine' }, env)
  expect(await accessKey(mine)).toBe('of-mine')
  expect(await mine.region(signal)).toBe('eu-north-1')
  expect(await accessKey(credentialsOf(none, {}))).toBe('by-default')
  expect(loadedSdk()).toBe(true)
  expect(warnings).not.toHaveBeenCalled()
})

test('where there are none, it says how to give them', async () => {
  const absent = credentialsOf({ ...none, profile: 'absent' }, {})
  await expect(absent.keys(signal)).rejects.toMatchObject({
    code: 'KLOSET_DENIED',
    message: expect.stringContaining('absent'),
    hint: expect.stringContaining('S3_REPOSITORY_USER'),
    cause: expect.any(Error),
  })
  expect(await absent.region(signal)).toBeUndefined()
})

test('waiting for keys can be aborted', async () => {
  const reason = new Error('enough')
  await expect(credentialsOf({ ...none, profile: 'mine' }, {}).keys(AbortSignal.abort(reason))).rejects.toBe(reason)
})
