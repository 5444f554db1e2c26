import { parentPort } from 'node:worker_threads'
import { argon2idPart } from '../../src/crypto/argon2.js'
import type { Argon2Input } from '../../src/runtime/index.js'

/** One computation that a thread is to take part in. */
export interface Part {
  readonly input: Argon2Input
  readonly memory: WebAssembly.Memory
  readonly counters: Int32Array
}

// Answers with the key, undefined, or what it failed with, in the order of the messages.
parentPort?.on('message', ({ input, memory, counters }: Part) => {
  try {
    parentPort!.postMessage({ key: argon2idPart(input, memory, counters) })
  } catch (error) {
    parentPort!.postMessage({ error: (error as Error).message })
  }
})
