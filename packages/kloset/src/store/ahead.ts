import type { Batches, Call, Storage, StoredObject } from '../connector/index.js'
import { isKlosetError, KlosetError, type KlosetErrorCode } from '../errors.js'

/** A storage that begins to read what somebody is about to ask for. */
export interface AheadStorage extends Storage {
  /** Starts to read whole objects, and to list prefixes, so that who asks for one of them next waits less. Each answers once. */
  begin(what: { readonly objects: readonly string[]; readonly prefixes: readonly string[] }, how: Call): void
  /** Nothing read ahead is used any more: from now on it would be too old. */
  end(): void
}

/** `storage` that can be told what to read ahead: opening a store then takes fewer trips that wait for each other. */
export function readingAhead(storage: Storage): AheadStorage {
  const objects = new Map<string, Promise<Uint8Array>>()
  const listings = new Map<string, Promise<(readonly StoredObject[])[]>>()
  const usage = storage.usage?.bind(storage)
  return {
    location: storage.location,
    ...(storage.paths && { paths: storage.paths }),
    capabilities: storage.capabilities,
    put: (name, body, how) => storage.put(name, body, how),
    stat: (name, how) => storage.stat(name, how),
    remove: (names, how) => storage.remove(names, how),
    ...(storage.reserve && { reserve: storage.reserve }),
    ...(usage && { usage }),
    close: () => storage.close(),

    get(name, how) {
      const begun = how.range === undefined ? taken(objects, name) : undefined
      return (begun ?? storage.get(name, how)).catch((error: unknown) => {
        throw isKlosetError(error, 'KLOSET_LIMIT') ? tooLarge(name, error) : error
      })
    },

    async *list(prefix, how) {
      const begun = how.after === undefined ? taken(listings, prefix) : undefined
      if (begun === undefined) yield* storage.list(prefix, how)
      else yield* await begun
    },

    begin(what, how) {
      for (const name of what.objects) objects.set(name, quiet(storage.get(name, { ...how, range: undefined })))
      for (const prefix of what.prefixes)
        listings.set(prefix, quiet(all(storage.list(prefix, { ...how, after: undefined }))))
    },

    end() {
      objects.clear()
      listings.clear()
    },
  }
}

/** Whoever can write to a store can put something of any size in the place of an object: that is damage, as any other. */
function tooLarge(object: string, cause: KlosetError): KlosetError {
  const code = damageOf[object.split(/[/.]/, 1)[0]!] ?? 'KLOSET_OBJECT_CORRUPT'
  return new KlosetError(code, `${object} is damaged: ${cause.message}`, {
    hint: 'Put the object back from another copy of the store.',
    context: { object },
    cause,
  })
}

const damageOf: Readonly<Record<string, KlosetErrorCode>> = {
  config: 'KLOSET_CONFIG_CORRUPT',
  keys: 'KLOSET_KEY_CORRUPT',
  epochs: 'KLOSET_KEY_CORRUPT',
  packs: 'KLOSET_PACK_CORRUPT',
  index: 'KLOSET_INDEX_CORRUPT',
  log: 'KLOSET_LOG_CORRUPT',
  checkpoints: 'KLOSET_LOG_CORRUPT',
}

function taken<T>(from: Map<string, T>, name: string): T | undefined {
  const found = from.get(name)
  from.delete(name)
  return found
}

/** Whoever asks hears of a failure; where nobody does, it does not matter. */
function quiet<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  return work
}

async function all<T>(batches: Batches<T>): Promise<(readonly T[])[]> {
  const found: (readonly T[])[] = []
  for await (const batch of batches) found.push(batch)
  return found
}
