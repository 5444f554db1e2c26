import { Socket } from 'node:net'

/**
 * A socket that hands to the system in one go what is written in one go. An SSH packet is written in three parts, and each would travel by itself,
 * as no byte may wait for another here.
 */
export class BundlingSocket extends Socket {
  #bundling = false

  override write(...written: unknown[]): boolean {
    if (!this.#bundling) {
      this.#bundling = true
      this.cork()
      process.nextTick(() => {
        this.#bundling = false
        this.uncork()
      })
    }
    return super.write(...(written as Parameters<Socket['write']>))
  }
}
