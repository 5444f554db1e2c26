import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { open } from './opening.js'

test('what speaks SSH is loaded only when something is opened', async () => {
  const loaded = (): boolean =>
    Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/node_modules/ssh2/'))
  expect(loaded()).toBe(false)
  const options = { 'ssh-config': 'none', 'known-hosts': '/dev/null' }
  await expect(open('sftp://127.0.0.1:1/x', { options })).rejects.toMatchObject({ code: 'KLOSET_OFFLINE' })
  expect(loaded()).toBe(true)
})
