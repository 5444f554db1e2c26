import { md5 } from './checksums.js'
import type { Client } from './client.js'
import { elementsIn, escapeXml, textIn } from './xml.js'

/** Removes objects: a thousand at once where the server can do that, else each by itself, `atOnce` in parallel. */
export class Remover {
  readonly #client: Client
  readonly #atOnce: number
  #batches = true

  constructor(client: Client, atOnce: number) {
    this.#client = client
    this.#atOnce = atOnce
  }

  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    const left = [...new Set(names)]
    for (let at = 0; at < left.length; at += largestBatch) {
      signal.throwIfAborted()
      const batch = left.slice(at, at + largestBatch)
      if (batch.length > 1 && this.#batches) this.#batches = await this.#removeBatch(batch, signal)
      if (batch.length === 1 || !this.#batches) await this.#removeEach(batch, signal)
    }
  }

  /**
   * Returns whether the server lets this client do so. Some know only how to remove one, and some hold a key that is limited to a prefix only against a
   * request that names an object (Ceph): then each is removed by itself, and what is refused then is refused.
   * API: DeleteObjects. It wants a digest of the list; MD5 is the one that all servers take.
   */
  async #removeBatch(names: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { prefix, location } = this.#client.address
    const objects = names.map((name) => `<Object><Key>${escapeXml(prefix + name)}</Key></Object>`)
    const body = new TextEncoder().encode(`<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`)
    const doing = `remove objects from ${location}`
    const request = {
      method: 'POST',
      parameters: { delete: '' },
      headers: { 'content-type': 'application/xml', 'content-md5': md5(body) },
      body,
      signal,
      doing,
      expect: [403, 405, 501],
    } as const
    const answer = await this.#client.send(request)
    if (answer.status >= 300) return false
    const failures = elementsIn(Buffer.from(answer.body).toString(), 'Error')
    const failure = failures.find((each) => textIn(each, 'Code') !== 'NoSuchKey')
    if (failure !== undefined) {
      const name = (textIn(failure, 'Key') ?? '').slice(prefix.length)
      const about = { ...request, doing: `remove ${name} from ${location}` }
      throw this.#client.refusal(about, { ...answer, body: new TextEncoder().encode(`<Error>${failure}</Error>`) })
    }
    return true
  }

  /** API: DeleteObject */
  async #removeEach(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { prefix, location } = this.#client.address
    const left = names.values()
    const worker = async (): Promise<void> => {
      for (const name of left)
        await this.#client.send({
          method: 'DELETE',
          key: prefix + name,
          signal,
          doing: `remove ${name} from ${location}`,
          expect: [404],
        })
    }
    await Promise.all(Array.from({ length: Math.min(this.#atOnce, names.length) }, worker))
  }
}

const largestBatch = 1000
