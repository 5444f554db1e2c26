import type { Batches, Call, Storage, StoredObject } from '../connector/index.js'

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
      return begun ?? storage.get(name, how)
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
