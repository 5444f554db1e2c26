/** Name of the object with the entry at a position of the log. */
export function entryObject(position: number): string {
  return `log/${digits(position)}`
}

/** Name of the object with the replayed state at a position of the log. */
export function checkpointObject(position: number): string {
  return `checkpoints/${digits(position)}`
}

/** The position in the name of an entry or checkpoint; undefined for every other name. */
export function positionOf(name: string): number | undefined {
  const [, found] = /^(?:log|checkpoints)\/(\d{20})$/.exec(name) ?? []
  const position = Number(found)
  return Number.isSafeInteger(position) ? position : undefined
}

function digits(position: number): string {
  return String(position).padStart(20, '0')
}
