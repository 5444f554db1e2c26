import { type Bytes, concatBytes, utf8 } from '../bytes/index.js'
import { blake3 } from '../hash/index.js'

/** Length of a gear table in bytes: 256 values of 64 bits, little-endian. */
export const gearLength = 2048

/**
 * The gear table for chunking without a store: BLAKE3 of `kloset/v1/default-gear/0` to `…/63`, one after the other. It is public, so
 * the lengths of chunks tell what was chunked; a store has a secret one.
 */
export function defaultGear(): Bytes {
  table ??= concatBytes(
    ...Array.from({ length: gearLength / 32 }, (_, i) => blake3(utf8(`kloset/v1/default-gear/${i}`))),
  )
  return table.slice()
}

let table: Bytes | undefined
