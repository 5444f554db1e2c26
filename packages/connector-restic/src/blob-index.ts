import { sealedExtra } from './sealed.js'

/** Where a blob is: in which pack, and where in it. `rawLength` is 0 where it is not compressed. */
export interface BlobPlace {
  /** Id of the pack. */
  readonly pack: string
  readonly offset: number
  /** Of the sealed blob. */
  readonly length: number
  readonly rawLength: number
}

/**
 * Which blob is where: a hash table over columns, of about 30 bytes a blob, so that ten million of them take 300 MB and nothing that has to be collected
 * as garbage. Of an id it keeps the first 8 bytes. Where two ids have those in common, both places are told; who reads a blob compares its digest with the
 * whole id anyway.
 */
export class BlobIndex {
  /** Ids of packs; their places here are their numbers. */
  readonly #packs: string[] = []
  readonly #numbers = new Map<string, number>()
  // Where the last known blob of each pack ends.
  readonly #ends: number[] = []
  #count = 0
  #columns = new Uint32Array(width * 1024)
  // Numbers of blobs plus one, each at the place that its id hashes to, or at the next free one; 0 is free.
  #slots = new Uint32Array(4096)

  get size(): number {
    return this.#count
  }

  hasPack(pack: string): boolean {
    return this.#numbers.has(pack)
  }

  /** Where the last known blob of a pack ends. */
  endOf(pack: string): number {
    return this.#ends[this.#numbers.get(pack) ?? -1] ?? 0
  }

  /** Adds a blob; `id` has 64 hexadecimal digits. */
  add(id: string, { pack, offset, length, rawLength }: BlobPlace): void {
    const number = this.#numberOf(pack)
    this.#ends[number] = Math.max(this.#ends[number]!, offset + length)
    if ((this.#count + 1) * width > this.#columns.length) this.#widen()
    if (this.#count * 3 > this.#slots.length * 2) this.#rehash()
    const at = this.#count * width
    this.#columns[at] = high(id)
    this.#columns[at + 1] = low(id)
    this.#columns[at + 2] = number
    this.#columns[at + 3] = offset
    this.#columns[at + 4] = length
    this.#columns[at + 5] = rawLength
    this.#insert(this.#count++)
  }

  /** Where a blob may be, the places told first first. */
  places(id: string): BlobPlace[] {
    const found: BlobPlace[] = []
    const [one, two] = [high(id), low(id)]
    const columns = this.#columns
    for (let slot = one & this.#mask; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const at = (this.#slots[slot]! - 1) * width
      if (columns[at] !== one || columns[at + 1] !== two) continue
      found.push({
        pack: this.#packs[columns[at + 2]!]!,
        offset: columns[at + 3]!,
        length: columns[at + 4]!,
        rawLength: columns[at + 5]!,
      })
    }
    return found
  }

  /** How many bytes a blob has when it is opened; undefined where it is not known. */
  sizeOf(id: string): number | undefined {
    const [place] = this.places(id)
    return place && (place.rawLength || place.length - sealedExtra)
  }

  get #mask(): number {
    return this.#slots.length - 1
  }

  #numberOf(pack: string): number {
    const known = this.#numbers.get(pack)
    if (known !== undefined) return known
    const number = this.#packs.length
    this.#packs.push(pack)
    this.#ends.push(0)
    this.#numbers.set(pack, number)
    return number
  }

  #insert(blob: number): void {
    let slot = this.#columns[blob * width]! & this.#mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = blob + 1
  }

  #widen(): void {
    const wider = new Uint32Array(Math.ceil((this.#columns.length * 1.5) / width) * width)
    wider.set(this.#columns)
    this.#columns = wider
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let blob = 0; blob < this.#count; blob++) this.#insert(blob)
  }
}

// Two words of the id, the pack, offset, length, raw length.
const width = 6

function high(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16)
}

function low(id: string): number {
  return Number.parseInt(id.slice(8, 16), 16)
}
