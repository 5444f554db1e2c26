import type { Storage } from '../connector/contract.js'
import { type Around, type List, type RequestKind, throughEach } from './around.js'

/** What passed through a {@link metered} storage so far. */
export interface Meter {
  /** Calls by kind, failed ones included; of a listing, each batch counts. */
  readonly requests: Readonly<Record<RequestKind, number>>
  /** Bytes of the bodies of puts that succeeded, also where the answer was `exists`. */
  readonly uploaded: number
  /** Bytes of objects that were read. */
  readonly downloaded: number
}

/** A storage that counts. */
export interface MeteredStorage extends Storage {
  readonly meter: Meter
}

/** `storage` with its calls and bytes counted in `meter`, which can be read at any time. */
export function metered(storage: Storage): MeteredStorage {
  const requests: Record<RequestKind, number> = { put: 0, get: 0, stat: 0, list: 0, remove: 0, usage: 0 }
  const meter = { requests, uploaded: 0, downloaded: 0 }
  const around: Around = (kind, _, call) => {
    requests[kind]++
    return call()
  }
  const list: List = async function* (prefix, how) {
    requests.list++
    let more = false
    for await (const batch of storage.list(prefix, how)) {
      if (more) requests.list++
      more = true
      yield batch
    }
  }
  const wrapped = throughEach(storage, around, list)
  return {
    ...wrapped,
    meter,

    async put(name, body, how) {
      const size = body.length
      const answer = await wrapped.put(name, body, how)
      meter.uploaded += size
      return answer
    },

    async get(name, how) {
      const body = await wrapped.get(name, how)
      meter.downloaded += body.length
      return body
    },
  }
}
