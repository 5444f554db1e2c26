import { createStore, memoryStorage } from 'kloset'
import { expect, it } from 'vitest'
import { fsDestination, fsListSources, fsSource, fsStorage } from '../../src/index.js'

it.each([
  ['a source', () => fsSource('')],
  ['a list', () => fsListSources(['a', ''])],
  ['a destination', () => fsDestination('')],
  ['a store', () => fsStorage('', { mode: 'create' })],
  ['a cache', () => createStore(memoryStorage(), { unlock: { plaintext: true }, cache: { folder: '' } })],
  ['memory', () => createStore(memoryStorage(), { unlock: { plaintext: true }, remember: '' })],
])('an empty path of %s is a TypeError, and not the current folder', async (_, use) => {
  await expect(use()).rejects.toThrow(TypeError)
})
