import type { ByteWriter } from '../bytes/index.js'
import { MalformedError } from '../bytes/index.js'
import { addLengths } from './extent.js'
import { idBytes } from './limits.js'
import type { Scanner } from './scanner.js'
import { entryTypes, errorFlag } from './stat.js'

/** Counts over entries: by kind, bytes of content, and how many have an error. */
export interface Totals {
  readonly files: number
  readonly directories: number
  readonly others: number
  readonly bytes: number
  readonly errors: number
}

/** {@link Totals} while they are being added up. */
export class Tally implements Totals {
  files = 0
  directories = 0
  others = 0
  bytes = 0
  errors = 0

  /** Bytes stop at 2^53 − 1, which holes alone can reach. @throws MalformedError where another count gets above that. */
  add(totals: Totals): void {
    this.files = addLengths(this.files, totals.files)
    this.directories = addLengths(this.directories, totals.directories)
    this.others = addLengths(this.others, totals.others)
    this.bytes = addBytes(this.bytes, totals.bytes)
    this.errors = addLengths(this.errors, totals.errors)
  }

  /** Takes away what was added before. */
  subtract(totals: Totals): void {
    this.files -= totals.files
    this.directories -= totals.directories
    this.others -= totals.others
    this.bytes -= totals.bytes
    this.errors -= totals.errors
  }

  /**
   * Counts one entry by its stat and content, in `scanner` from its place up to `contentStart` and from there up to its end.
   * @throws MalformedError where they are not a stat's first fields and a whole content
   */
  addEntry(scanner: Scanner, contentStart: number): void {
    const end = scanner.end
    scanner.end = contentStart
    const type = scanner.u8()
    if (type >= entryTypes.length) throw new MalformedError('an unknown type of entry')
    if ((scanner.varint() & errorFlag) !== 0) this.errors++
    if (type === file) this.files++
    else if (type === directory) this.directories++
    else this.others++
    scanner.at = contentStart
    scanner.end = end
    this.bytes = addBytes(this.bytes, scanLength(scanner))
    if (scanner.at !== end) throw new MalformedError('bytes follow the content of an entry')
  }

  /** A copy that stays as it is. */
  finish(): Totals {
    const { files, directories, others, bytes, errors } = this
    return { files, directories, others, bytes, errors }
  }

  clear(): void {
    this.files = 0
    this.directories = 0
    this.others = 0
    this.bytes = 0
    this.errors = 0
  }
}

// In whichever order lengths are added, the sum is the same.
function addBytes(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER)
}

/** Of nothing. */
export const noTotals: Totals = { files: 0, directories: 0, others: 0, bytes: 0, errors: 0 }

/** `a` and `b` together, as for the sources of a snapshot. */
export function addTotals(a: Totals, b: Totals): Totals {
  const tally = new Tally()
  tally.add(a)
  tally.add(b)
  return tally.finish()
}

/** Whether all counts are the same. */
export function sameTotals(a: Totals, b: Totals): boolean {
  return (
    a.files === b.files &&
    a.directories === b.directories &&
    a.others === b.others &&
    a.bytes === b.bytes &&
    a.errors === b.errors
  )
}

/** Writes totals as the reference to a node holds them. */
export function writeTotals(writer: ByteWriter, totals: Totals): void {
  writer.varint(totals.files)
  writer.varint(totals.directories)
  writer.varint(totals.others)
  writer.varint(totals.bytes)
  writer.varint(totals.errors)
}

/** Reads what {@link writeTotals} wrote. @throws MalformedError for counts that no node can have */
export function scanTotals(scanner: Scanner): Totals {
  const totals = {
    files: scanner.varint(),
    directories: scanner.varint(),
    others: scanner.varint(),
    bytes: scanner.varint(),
    errors: scanner.varint(),
  }
  const entries = totals.files + totals.directories + totals.others
  if (entries === 0 || totals.errors > entries) throw new MalformedError('the totals of a node contradict each other')
  return totals
}

const file = entryTypes.indexOf('file')
const directory = entryTypes.indexOf('directory')

// The length of the content at the scanner, which ends up behind it. The forms are those of content.ts.
function scanLength(scanner: Scanner): number {
  const form = scanner.u8()
  if (form === 0) return 0
  if (form === 2) {
    scanner.skip(idBytes + 1)
    const length = scanner.varint()
    scanner.varint()
    return length
  }
  if (form !== 1) throw new MalformedError('an unknown form of content')
  let length = 0
  for (let left = scanner.varint(); left > 0; left--) {
    const value = scanner.varint()
    const hole = value % 2
    if (hole === 0) scanner.skip(idBytes)
    length = addLengths(length, (value - hole) / 2)
  }
  return length
}
