import { Worker } from 'node:worker_threads'
import { argon2id as noble } from '@noble/hashes/argon2.js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes/index.js'
import { argon2id, argon2idMemory } from '../../src/crypto/argon2.js'
import { portableArgon2id } from '../../src/crypto/passphrase.js'
import { giveUp, newCounters, Segments } from '../../src/crypto/segments.js'
import type { Argon2Input } from '../../src/runtime/index.js'
import { type Bundled, bundled } from '../support/threads.js'
import type { Part } from './argon2-thread.js'

const inputs = fc.record({
  password: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  // Where one implementation refuses shorter ones, the other two are not asked.
  salt: fc.uint8Array({ minLength: 8, maxLength: 64 }),
  // Down to two blocks a segment, and odd sizes that do not divide into lanes.
  memoryKiB: fc.integer({ min: 32, max: 700 }),
  passes: fc.integer({ min: 1, max: 4 }),
  lanes: fc.integer({ min: 1, max: 4 }),
})

describe('Argon2id kernel', () => {
  it('agrees with two other implementations', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { password, salt, memoryKiB, passes, lanes } = input
        const expected = toHex(noble(password, salt, { m: memoryKiB, t: passes, p: lanes, dkLen: 32 }))
        expect(toHex(argon2id(input))).toBe(expected)
        expect(toHex(await portableArgon2id(input))).toBe(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('agrees with the portable one at the costs of a store', async () => {
    const input = { password: Uint8Array.of(1, 2, 3), salt: new Uint8Array(16).fill(7), memoryKiB: 65_536, passes: 3 }
    // More than 128 blocks a segment, so that its addresses come in several blocks.
    for (const lanes of [1, 4]) {
      expect(toHex(argon2id({ ...input, lanes }))).toBe(toHex(await portableArgon2id({ ...input, lanes })))
    }
  })

  it('tells of too little memory as a RangeError', () => {
    const input = { password: new Uint8Array(1), salt: new Uint8Array(16), passes: 1, lanes: 1 }
    expect(() => argon2id({ ...input, memoryKiB: 5 * 1024 * 1024 })).toThrow(RangeError)
  })
})

describe('Argon2id in several threads', () => {
  let module: Bundled
  let threads: Thread[]
  beforeAll(async () => {
    module = await bundled('test/crypto/argon2-thread.ts')
    threads = [1, 2, 3].map(() => new Thread(module.url))
  })
  afterAll(async () => {
    await Promise.all(threads.map((thread) => thread.end()))
    module.remove()
  })

  it('gives one of them, however many there are, the key that two other implementations give', async () => {
    const wide = inputs.chain((input) => {
      const most = Math.min(16, Math.floor(input.memoryKiB / 8))
      return fc.integer({ min: 1, max: most }).map((lanes) => ({ ...input, lanes }))
    })
    await fc.assert(
      fc.asyncProperty(wide, fc.integer({ min: 1, max: 3 }), async (input, count) => {
        const part = newPart(input)
        const answers = await Promise.all(threads.slice(0, count).map((thread) => thread.take(part)))
        expect(keysOf(answers)).toEqual([toHex(await portableArgon2id(input))])
        const { password, salt, memoryKiB, passes, lanes } = input
        expect(keysOf(answers)).toEqual([
          toHex(noble(password, salt, { m: memoryKiB, t: passes, p: lanes, dkLen: 32 })),
        ])
      }),
      { numRuns: 60 },
    )
  })

  it('ends where each of them comes to two computations in another order', async () => {
    const [one, other] = [newPart(large), newPart({ ...large, passes: 2 })] as const
    const [a, b] = threads as [Thread, Thread]
    const first = [a.take(one), b.take(other)]
    const second = [b.take(one), a.take(other)]
    expect(keysOf(await Promise.all([first[0]!, second[0]!]))).toEqual([toHex(argon2id(one.input))])
    expect(keysOf(await Promise.all([first[1]!, second[1]!]))).toEqual([toHex(argon2id(other.input))])
  })

  it('throws in all that wait for one that failed, once they are told, and they go on to other work', async () => {
    const part = newPart(large)
    // This thread takes a segment, and never fills it.
    new Segments(part.counters, large.lanes, 4 * large.passes).take()
    const waiting = threads.map((thread) => thread.take(part))
    await expect(Promise.race([...waiting, new Promise((resolve) => setTimeout(resolve, 200, 'waits'))])).resolves.toBe(
      'waits',
    )
    giveUp(part.counters)
    for (const { error } of await Promise.all(waiting)) expect(error).toMatch(/another thread/)
    const next = newPart(large)
    const answers = await Promise.all(threads.map((thread) => thread.take(next)))
    expect(keysOf(answers)).toEqual([toHex(argon2id(large))])
  })
})

const large = { password: Uint8Array.of(1), salt: new Uint8Array(16), memoryKiB: 8_192, passes: 1, lanes: 4 }

interface Answer {
  readonly key?: Uint8Array
  readonly error?: string
}

class Thread {
  readonly #worker: Worker
  readonly #waiting: ((answer: Answer) => void)[] = []

  constructor(url: URL) {
    this.#worker = new Worker(url)
    this.#worker.on('message', (answer: Answer) => this.#waiting.shift()!(answer))
  }

  take(part: Part): Promise<Answer> {
    this.#worker.postMessage(part)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  end(): Promise<unknown> {
    return this.#worker.terminate()
  }
}

function newPart(input: Argon2Input): Part {
  return { input, memory: argon2idMemory(input), counters: newCounters(true) }
}

function keysOf(answers: readonly Answer[]): string[] {
  return answers.flatMap(({ key, error }) => [...(key ? [toHex(key)] : []), ...(error ? [error] : [])])
}
