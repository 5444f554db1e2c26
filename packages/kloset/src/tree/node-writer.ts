import type { Bytes } from '../bytes/index.js'
import { ByteWriter } from '../bytes/index.js'
import { maxKeyBytes, nodeVersion } from './limits.js'
import { Scanner } from './scanner.js'
import { Tally, type Totals, writeTotals } from './totals.js'

/** Bytes of `value` as a varint. */
export function lengthOfVarint(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++
  return length
}

/** The open node of one level of a tree that is being built: its entries are encoded as they come. */
export class NodeWriter {
  readonly level: number
  /** Entries of the open node. */
  count = 0
  /** The sum of their sizes, as the rule for where nodes end counts them. */
  size = 0
  /** The child that was added last, for the case that it is the only one. */
  lastChild: { readonly id: Bytes; readonly totals: Totals } | undefined

  #bytes: Bytes
  #scanner: Scanner
  #end = headerRoom
  // The last key of the level: of the open node, or where that is empty, of the node before.
  readonly #last: Bytes = new Uint8Array(maxKeyBytes)
  #lastLength = 0
  #started = false
  readonly #tally = new Tally()
  readonly #reference = new ByteWriter(64)

  constructor(level: number) {
    this.level = level
    this.#bytes = new Uint8Array(64 * 1024)
    this.#scanner = new Scanner(this.#bytes)
  }

  /** The key added last, a view that is valid until the next one. */
  get lastKey(): Uint8Array {
    return this.#last.subarray(0, this.#lastLength)
  }

  /** Takes `key` as the last one of the level, without an entry in the open node. */
  setLast(key: Uint8Array): void {
    this.#last.set(key)
    this.#lastLength = key.length
    this.#started = true
  }

  /** Whether `key` may be added next. */
  comesAfterLast(key: Uint8Array): boolean {
    return this.#sharedBefore(key) >= 0
  }

  /** How many bytes `key` shares with the last one. @throws RangeError where it may not be added next */
  orderAfterLast(key: Uint8Array): number {
    const shared = this.#sharedBefore(key)
    if (shared >= 0) return shared
    throw new RangeError(
      this.#started
        ? 'the entries of a tree are not in strictly ascending path order'
        : 'a tree starts with the root, the empty path',
    )
  }

  /**
   * Adds an entry of a leaf. `shared` is what `orderAfterLast` gave, `size` its size by the rule.
   * @throws MalformedError where stat or content are not what `encodeStat` and `encodeContent` make
   */
  addEntry(key: Uint8Array, shared: number, stat: Uint8Array, content: Uint8Array, size: number): void {
    const valueLength = lengthOfVarint(stat.length) + stat.length + content.length
    this.#addKey(key, shared, valueLength)
    this.#varint(stat.length)
    const statStart = this.#end
    this.#append(stat)
    const contentStart = this.#end
    this.#append(content)
    this.#scanner.at = statStart
    this.#scanner.end = this.#end
    this.#tally.addEntry(this.#scanner, contentStart)
    this.size += size
  }

  /** The value of the entry for a child: a view that is valid until the next one. */
  encodeReference(child: { readonly id: Uint8Array; readonly totals: Totals }): Uint8Array {
    this.#reference.clear()
    this.#reference.bytes(child.id)
    writeTotals(this.#reference, child.totals)
    return this.#reference.view()
  }

  /** Adds an entry of an inner node, as {@link addEntry}; `reference` is what `encodeReference` gave. */
  addChild(
    key: Uint8Array,
    shared: number,
    reference: Uint8Array,
    size: number,
    child: { readonly id: Bytes; readonly totals: Totals },
  ): void {
    this.#addKey(key, shared, reference.length)
    this.#append(reference)
    this.#tally.add(child.totals)
    this.size += size
    this.lastChild = child
  }

  /** Ends the open node and starts the next one. */
  take(): { readonly encoded: Bytes; readonly totals: Totals } {
    // The header is written last, because it has the count, and up against the entries.
    const start = headerRoom - 2 - lengthOfVarint(this.count)
    const end = this.#end
    this.#bytes[start] = nodeVersion
    this.#bytes[start + 1] = this.level
    this.#end = start + 2
    this.#varint(this.count)
    const taken = { encoded: this.#bytes.slice(start, end), totals: this.#tally.finish() }
    this.count = 0
    this.size = 0
    this.#end = headerRoom
    this.#tally.clear()
    return taken
  }

  // How many bytes `key` shares with the last one; -1 where it does not come after it.
  #sharedBefore(key: Uint8Array): number {
    const last = this.#last
    const lastLength = this.#lastLength
    // The first key of a tree is the root's.
    if (!this.#started) return this.level > 0 || key.length === 0 ? 0 : -1
    const most = Math.min(key.length, lastLength)
    let shared = 0
    while (shared < most && key[shared] === last[shared]) shared++
    if (shared === lastLength) return key.length > lastLength ? shared : -1
    if (shared === key.length) return -1
    const was = last[shared]!
    const is = key[shared]!
    return is !== slash && (was === slash || is > was) ? shared : -1
  }

  #addKey(key: Uint8Array, sharedWithLast: number, valueLength: number): void {
    const shared = this.count === 0 ? 0 : sharedWithLast
    const rest = key.length - shared
    this.#makeRoom(3 * mostVarint + rest + valueLength)
    this.#varint(shared)
    this.#varint(rest)
    copy(key, shared, this.#bytes, this.#end)
    this.#end += rest
    this.#varint(valueLength)
    copy(key, sharedWithLast, this.#last, sharedWithLast)
    this.#lastLength = key.length
    this.#started = true
    this.count++
  }

  #append(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#end++] = rest
  }

  #makeRoom(bytes: number): void {
    const needed = this.#end + bytes
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#scanner = new Scanner(larger)
  }
}

const slash = 0x2f
// Version, level and the longest count.
const headerRoom = 8
const mostVarint = 4

// The bytes of `from` from `start` on, to `at` of `into`: keys are short, so a loop beats a view and a call.
function copy(from: Uint8Array, start: number, into: Uint8Array, at: number): void {
  for (let i = start; i < from.length; i++) into[at + i - start] = from[i]!
}
