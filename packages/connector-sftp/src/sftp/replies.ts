import { MalformedPacket, packets } from './protocol.js'

/** A packet of the server. */
export interface Reply {
  readonly kind: number
  /** The number of the request it answers; of a version packet, the version. */
  readonly id: number
  /** What follows. Of data that went straight to its place, undefined. */
  readonly body: Buffer | undefined
  /** How many bytes of data there were. */
  readonly received: number
}

/** No server sends larger packets, and none is waited for. */
const largestPacket = 1024 * 1024

// Length, kind and number; a packet of data has another length behind them.
const headLength = 9
const dataHeadLength = 13

/**
 * Cuts what the server sends into packets. The bytes of data packets are copied once, to where their request wants them: at hundreds of
 * megabytes a second, that counts.
 */
export class Replies {
  readonly #take: (reply: Reply) => void
  readonly #placeFor: (id: number) => Uint8Array | undefined
  readonly #head = Buffer.alloc(dataHeadLength)
  #headFilled = 0
  #headWanted = headLength
  #target: Uint8Array | undefined
  #filled = 0
  #wanted = 0
  #skip = 0

  constructor(take: (reply: Reply) => void, placeFor: (id: number) => Uint8Array | undefined) {
    this.#take = take
    this.#placeFor = placeFor
  }

  /** @throws MalformedPacket */
  push(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#headFilled < this.#headWanted) at = this.#fillHead(bytes, at)
      else at = this.#fillBody(bytes, at)
      if (this.#headFilled === this.#headWanted && this.#filled === this.#wanted && this.#skip === 0) this.#finish()
    }
  }

  #fillHead(bytes: Buffer, at: number): number {
    const count = Math.min(this.#headWanted - this.#headFilled, bytes.length - at)
    bytes.copy(this.#head, this.#headFilled, at, at + count)
    this.#headFilled += count
    if (this.#headFilled < this.#headWanted) return at + count
    const length = this.#head.readUInt32BE(0)
    if (length < headLength - 4 || length > largestPacket) throw new MalformedPacket(`a packet of ${length} bytes`)
    const isData = this.#head[4] === packets.data
    if (isData && this.#headWanted === headLength) this.#headWanted = dataHeadLength
    else if (isData) this.#startData(length - dataHeadLength + 4)
    else this.#startBody(length - headLength + 4)
    return at + count
  }

  #startBody(length: number): void {
    this.#target = Buffer.allocUnsafe(length)
    this.#wanted = length
  }

  #startData(length: number): void {
    const size = this.#head.readUInt32BE(headLength)
    const place = this.#placeFor(this.#head.readUInt32BE(5))
    if (size > length || place === undefined || size > place.length) throw new MalformedPacket('data nobody asked for')
    this.#target = place
    this.#wanted = size
    this.#skip = length - size
  }

  #fillBody(bytes: Buffer, at: number): number {
    const count = Math.min(this.#wanted - this.#filled, bytes.length - at)
    if (count > 0) {
      this.#target!.set(bytes.subarray(at, at + count), this.#filled)
      this.#filled += count
      return at + count
    }
    const skipped = Math.min(this.#skip, bytes.length - at)
    this.#skip -= skipped
    return at + skipped
  }

  #finish(): void {
    const isData = this.#headWanted === dataHeadLength
    const reply = {
      kind: this.#head[4]!,
      id: this.#head.readUInt32BE(5),
      body: isData ? undefined : (this.#target as Buffer),
      received: isData ? this.#wanted : 0,
    }
    this.#headFilled = this.#filled = this.#wanted = 0
    this.#headWanted = headLength
    this.#target = undefined
    this.#take(reply)
  }
}
