import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { makeFolder } from './folders.js'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const at = { env: { KLOSET_STORE: store } }

beforeAll(() => {
  makeFolder(source)
  expect(kloset(['create', '--no-encryption', '--pack-size', '2MiB'], at).code).toBe(0)
})

test('limits of the line, of requests and of reading are taken by verbs', () => {
  const limits = ['--limit-upload', '100MiB/s', '--limit-download', '100M', '--concurrency', '1']
  const backup = ['backup', '--read-concurrency', '1', '--pack-size', '1MiB', ...limits, source]
  expect(kloset(backup, at)).toMatchObject({ code: 0 })
  expect(kloset(['check', '--read-data', ...limits], at)).toMatchObject({ code: 0 })
  const [info] = kloset(['info', '--json'], at).json
  expect(info).toMatchObject({ pack: 2 * 1024 * 1024 })
})

test.each([
  ['--limit-upload', '1K', '16KiB'],
  ['--limit-download', 'fast', 'not a size'],
  ['--concurrency', '0', 'at least 1'],
  ['--read-concurrency', '1.5', 'at least 1'],
  ['--pack-size', '1GiB', '128MiB'],
])('%s %s is refused', (option, value, why) => {
  const { code, stderr } = kloset(['backup', option, value, source], at)
  expect(code).toBe(2)
  expect(stderr).toContain(why)
})
