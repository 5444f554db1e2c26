import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStore, openStore } from 'kloset'
import { sourceOf } from 'kloset/connector'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fsStorage } from '../../src/index.js'

// Somebody who can write to the store makes an object as large as he likes, which costs him nothing as a sparse file. Reading it whole
// would end the process: Node aborts beyond 2 GiB.

const unlock = { key: new Uint8Array(32).fill(7) }
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kloset-oversized-'))
  const store = await createStore(await fsStorage(folder, { mode: 'create' }), { unlock })
  const files = [{ path: 'f', content: 'x'.repeat(10_000) }]
  await store.backup(sourceOf({ type: 'test', origin: 'o', root: 'r', access: 'random' }, () => files))
  await store.close()
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const GiB = 1024 ** 3

it.each([3 * GiB, 15 * 1024 * GiB])('an index segment of %d bytes is damage, and is named', async (size) => {
  const name = readdirSync(join(folder, 'index'))[0]!
  truncateSync(join(folder, 'index', name), size)
  const store = await openStore(await fsStorage(folder), { unlock })
  const found: string[] = []
  for await (const { code, object } of store.check({ read: 'all' })) found.push(`${code} ${object}`)
  expect(found.some((each) => each.endsWith(`index/${name}`))).toBe(true)
  await store.close()
})

it.each(['config', 'keys', 'epochs'])(
  'one of 3 GiB in the place of %s is refused, and its copy serves',
  async (kind) => {
    const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    const name = all.find((each) => each.startsWith(kind) && !each.endsWith('.copy') && !readdirIs(join(folder, each)))!
    writeFileSync(join(folder, name), '')
    truncateSync(join(folder, name), 3 * GiB)
    const store = await openStore(await fsStorage(folder), { unlock })
    const codes: string[] = []
    for await (const { object } of store.check({ read: 'structure' })) codes.push(object)
    expect(codes).toContain(name)
    await store.close()
    truncateSync(join(folder, `${name}.copy`), 3 * GiB)
    await expect(openStore(await fsStorage(folder), { unlock })).rejects.toMatchObject({
      code: expect.stringMatching(/^KLOSET_/),
    })
  },
)

function readdirIs(path: string): boolean {
  try {
    readdirSync(path)
    return true
  } catch {
    return false
  }
}
