// Not the whole room: a thread that starts for this loads little else.
import { type Argon2Costs, passphraseKey, passphraseKeyPart, passphraseMemory } from '../crypto/passphrase.js'
import type { Job } from '../runtime/jobs.js'

/** What a thread is to derive, alone or together with others: then one of them answers with the key. */
export interface DeriveMessage {
  readonly passphrase: string
  readonly salt: Uint8Array
  readonly costs: Argon2Costs
  readonly group?: Group
}

/**
 * Threads that derive one key. The memory they do it in passes between them alone: what the thread that asks had seen of it would stay until its next
 * collection of garbage, for nobody knows how long.
 */
export interface Group {
  readonly counters: Int32Array
  /** Makes the memory and gives it to the others; they get it. */
  readonly role: { readonly give: readonly MessagePort[] } | { readonly get: MessagePort }
}

interface Given {
  readonly memory: WebAssembly.Memory | undefined
}

/** Makes the worker's side of `Deriving`. */
export function createDeriveJob(): Job {
  return {
    async handle({ passphrase, salt, costs, group }: DeriveMessage) {
      const memory = group && (await memoryOf(group, costs))
      if (memory !== undefined) return { value: passphraseKeyPart(passphrase, salt, costs, memory, group!.counters) }
      const alone = group === undefined || 'give' in group.role
      return { value: alone ? await passphraseKey(passphrase, salt, costs) : undefined }
    },
  }
}

async function memoryOf({ role }: Group, costs: Argon2Costs): Promise<WebAssembly.Memory | undefined> {
  if ('get' in role) return received(role.get)
  let memory: WebAssembly.Memory | undefined
  try {
    memory = await passphraseMemory(costs)
    return memory
  } finally {
    // Without it the others have nothing to do; they must not wait for it.
    for (const port of role.give) port.postMessage({ memory } satisfies Given)
  }
}

function received(port: MessagePort): Promise<WebAssembly.Memory | undefined> {
  return new Promise((resolve) => {
    port.onmessage = ({ data }) => {
      port.close()
      resolve((data as Given).memory)
    }
    // The thread that was to give it is gone.
    port.addEventListener('close', () => resolve(undefined))
  })
}
