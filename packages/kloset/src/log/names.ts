import { toHex } from '../bytes/index.js'

/** Name of the object with the entry at a position of the log. */
export function entryObject(position: number): string {
  return `log/${digits(position)}`
}

/**
 * Where the storage cannot tell which of two writers was first, the same is put by this name before: so neither can overwrite what the
 * other wrote, and that there were two shows.
 */
export function exclusiveObject(position: number, nonce: Uint8Array): string {
  return `log/${digits(position)}-${toHex(nonce)}`
}

/** Name of the object with the replayed state at a position of the log. */
export function checkpointObject(position: number): string {
  return `checkpoints/${digits(position)}`
}

/** The position in the name of an entry or checkpoint; undefined for every other name. */
export function positionOf(name: string): number | undefined {
  const [, found] = /^(?:log|checkpoints(?=\/\d{20}$))\/(\d{20})(?:-[0-9a-f]{32})?$/.exec(name) ?? []
  const position = Number(found)
  return Number.isSafeInteger(position) ? position : undefined
}

function digits(position: number): string {
  return String(position).padStart(20, '0')
}
