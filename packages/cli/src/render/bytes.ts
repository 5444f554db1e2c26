import { UsageError } from '../exit.js'

const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** A size for people: `999 B`, `1.2 GiB`, `340 MiB`. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  let value = count / 1024
  let unit = 0
  // What would be shown as 1024 belongs to the next unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`
}

/** A count with thousands separated: `78,579`. */
export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 file`, `78,579 files`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}

/** Reads a size such as `512K`, `1MiB` or `65536`; units are powers of 1,024. @throws UsageError */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt])?(?:i?b)?$/i.exec(text.trim())
  if (!match) throw new UsageError(`'${text}' is not a size`, 'Write a number with a unit: 512KiB, 1MiB.')
  const power = ' kmgt'.indexOf((match[2] ?? ' ').toLowerCase())
  return Math.round(Number(match[1]) * 1024 ** power)
}
