import type { Lent } from './contract.js'

/** The part of lent memory that an answer of this length takes; undefined where none was lent, or there is no room for it. */
export function lentRoom(length: number, memory: Lent['memory']): Uint8Array | undefined {
  return memory !== undefined && memory.byteLength >= length ? new Uint8Array(memory, 0, length) : undefined
}
