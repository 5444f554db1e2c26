import { createKeyring, type Keyring } from '../crypto/index.js'
import { IndexTable } from '../index/index.js'
import type { Job, JobReply } from '../runtime/jobs.js'
import type { VerifyInit, VerifyMessage } from './messages.js'
import { verifyPack } from './pack.js'

/** Makes the part of a check that runs in each worker. */
export function createVerifyJob(init: VerifyInit): Job {
  return new VerifyJob(init)
}

/** Verifies whole packs against the index of their store. */
class VerifyJob implements Job {
  readonly #keyring: Keyring
  readonly #index: IndexTable

  constructor(init: VerifyInit) {
    this.#keyring = createKeyring(init.material)
    this.#index = IndexTable.join(init.index)
  }

  handle({ name, file, frames }: VerifyMessage): JobReply {
    return { value: verifyPack(this.#keyring, name, file, { index: this.#index, frames }) }
  }
}
