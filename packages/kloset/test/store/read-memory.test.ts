import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/connector/index.js'
import { movable, ReadMemory } from '../../src/store/read-memory.js'

const file = Uint8Array.from({ length: 1000 }, (_, at) => at * 7)
const how = { signal: new AbortController().signal, range: undefined }

/** A storage with one object, which notes what memory it was lent; `uses` says whether it takes it. */
function storageOf(uses: boolean) {
  const lent: (ArrayBufferLike | undefined)[] = []
  let fails = false
  const storage = {
    async get(_: string, { memory }: { memory?: ArrayBufferLike }) {
      lent.push(memory)
      if (fails) throw new Error('gone')
      if (memory === undefined || !uses) return file.slice()
      const bytes = new Uint8Array(memory, 0, file.length)
      bytes.set(file)
      return bytes
    },
  } as unknown as Storage
  const fail = (yes: boolean): void => {
    fails = yes
  }
  return { storage, lent, fail }
}

describe('memory for what is read', () => {
  it('is used again once it is given back, and not before', async () => {
    const { storage, lent } = storageOf(true)
    const memory = new ReadMemory(2000)
    const first = await memory.get(storage, 'a', 1000, how)
    const second = await memory.get(storage, 'b', 1000, how)
    expect(first.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(second.buffer).not.toBe(first.buffer)
    memory.give(first)
    const third = await memory.get(storage, 'c', 1000, how)
    expect(third.buffer).toBe(first.buffer)
    expect(third).toEqual(file)
    expect(new Set(lent).size).toBe(2)
  })

  it('is used for the next where a storage does without it, or fails', async () => {
    const { storage, lent, fail } = storageOf(false)
    const memory = new ReadMemory(2000)
    fail(true)
    await expect(memory.get(storage, 'a', 1000, how)).rejects.toThrow('gone')
    fail(false)
    expect(await memory.get(storage, 'a', 1000, how)).toEqual(file)
    await memory.get(storage, 'b', 1000, how)
    expect(new Set(lent).size).toBe(1)
  })

  it('is only what was made here, whatever a storage gives', async () => {
    const its = new Uint8Array(new SharedArrayBuffer(2000), 0, 1000)
    its.set(file)
    const storage = { get: async () => its } as unknown as Storage
    const memory = new ReadMemory(2000)
    memory.give(await memory.get(storage, 'a', 1000, how))
    const { storage: other, lent } = storageOf(true)
    for (const name of ['b', 'c', 'd']) await memory.get(other, name, 1000, how)
    expect(lent).not.toContain(its.buffer)
  })

  it('is not lent for what is longer', async () => {
    const { storage, lent } = storageOf(true)
    expect(await new ReadMemory(999).get(storage, 'a', 1000, how)).toEqual(file)
    expect(lent).toEqual([undefined])
  })
})

describe('bytes for a worker', () => {
  it('are moved where they are alone in their memory, copied where not, and stay where it is shared', () => {
    const own = file.slice()
    expect(movable(own)).toEqual({ bytes: own, moved: [own.buffer] })
    const part = file.subarray(10, 20)
    const { bytes, moved } = movable(part)
    expect(bytes).toEqual(part)
    expect(moved).toEqual([bytes.buffer])
    expect(bytes.buffer).not.toBe(part.buffer)
    const shared = new Uint8Array(new SharedArrayBuffer(8), 0, 4)
    expect(movable(shared)).toEqual({ bytes: shared, moved: [] })
  })
})
