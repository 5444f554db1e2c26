import { text, toHex, utf8 } from '../../bytes/index.js'
import { blake3 } from '../../hash/index.js'
import type { CachePlace } from './store-cache.js'

/**
 * The id of the store that was at a location the last time: so that what is needed of it can be asked for together with its
 * config. Nobody relies on it.
 */
export function storeSeenAt({ files, folder }: CachePlace, location: string): string | undefined {
  try {
    const id = text(files.read(placeFile({ files, folder }, location)) ?? new Uint8Array())
    return /^[0-9a-f]{32}$/.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

/** Notes which store is at a location. */
export function noteStoreAt(place: CachePlace, location: string, storeId: string): void {
  if (storeSeenAt(place, location) === storeId) return
  try {
    place.files.write(placeFile(place, location), [utf8(storeId)])
  } catch {
    // Opening the store again takes one more trip to it.
  }
}

function placeFile({ files, folder }: Pick<CachePlace, 'files' | 'folder'>, location: string): string {
  return files.join(folder, 'locations', toHex(blake3(utf8(location))))
}
