import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields, packet, packets, statuses } from '../src/sftp/protocol.js'
import { Session, type SessionChannel } from '../src/sftp/session.js'
import { readInto, writeSynced } from '../src/transfer.js'
import { pattern, signal } from './opening.js'

/** How a server behaves that nobody would want, and that keeps to the protocol. */
interface Moods {
  /** At most so many bytes of what a request asks for, from request to request. */
  readonly portions: readonly number[]
  /** Whether requests that wait together are answered last first. */
  readonly backwards: boolean
}

/** The server's side of a session with one file, in memory. */
class OneFile extends Duplex implements SessionChannel {
  content = Buffer.alloc(0)
  /** The most requests that waited for an answer at once. */
  most = 0
  readonly #moods: Moods
  readonly #waiting: Buffer[] = []
  #unread = Buffer.alloc(0)
  #turn = 0

  constructor(moods: Moods) {
    super()
    this.#moods = moods
  }

  close(): void {}
  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#unread = Buffer.concat([this.#unread, bytes])
    while (this.#unread.length >= 4 && this.#unread.length >= 4 + this.#unread.readUInt32BE(0)) {
      const end = 4 + this.#unread.readUInt32BE(0)
      if (this.#waiting.length === 0) setImmediate(() => this.#answerAll())
      this.#waiting.push(this.#unread.subarray(4, end))
      this.#unread = this.#unread.subarray(end)
    }
    done()
  }

  #answerAll(): void {
    const requests = this.#waiting.splice(0)
    this.most = Math.max(this.most, requests.length)
    for (const request of this.#moods.backwards ? requests.reverse() : requests) this.push(this.#answer(request))
  }

  #answer(request: Buffer): Buffer {
    const fields = new Fields(request.subarray(1))
    const id = fields.uint32()
    const ok = packet(packets.status, id, statuses.ok, Buffer.alloc(0), Buffer.alloc(0))
    if (request[0] === packets.read) {
      fields.bytes()
      const [offset, wanted] = [fields.uint64(), fields.uint32()]
      const portion = Math.min(wanted, this.#moods.portions[this.#turn++ % this.#moods.portions.length]!)
      const part = this.content.subarray(offset, offset + portion)
      return part.length > 0 ? packet(packets.data, id, part) : packet(packets.status, id, statuses.eof)
    }
    if (request[0] === packets.write) {
      fields.bytes()
      const [offset, part] = [fields.uint64(), fields.bytes()]
      this.content = Buffer.concat([
        this.content,
        Buffer.alloc(Math.max(0, offset + part.length - this.content.length)),
      ])
      part.copy(this.content, offset)
    }
    return ok
  }
}

const handle = Buffer.from('handle')
const moods = fc.record({
  portions: fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 5 }),
  backwards: fc.boolean(),
})
const depth = fc.integer({ min: 1, max: 8 })

/** A session that asks for a thousand bytes at a time. */
function sessionWith(file: OneFile): Session {
  const session = new Session(file, () => new Error('lost'))
  session.server = { largestRead: 1000, largestWrite: 1000, has: () => false }
  return session
}

describe('a transfer', () => {
  test('reads what is there, whatever portions it comes in, and tells where the file ends', async () => {
    const sizes = fc.record({ size: fc.nat(9000), offset: fc.nat(3000), length: fc.nat(9000) })
    await fc.assert(
      fc.asyncProperty(moods, depth, sizes, async (of, requests, { size, offset, length }) => {
        const file = new OneFile({ ...of, portions: of.portions.map((portion) => 1 + (portion % 1500)) })
        file.content = Buffer.from(pattern(size))
        const into = new Uint8Array(length)
        const read = await readInto(sessionWith(file), handle, offset, into, requests, signal)
        const there = file.content.subarray(offset, offset + length)
        expect(read).toBe(there.length)
        expect(Buffer.compare(into.subarray(0, read), there)).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('writes all, and no more at once than it was told', async () => {
    await fc.assert(
      fc.asyncProperty(moods, depth, fc.nat(9000), async (of, requests, size) => {
        const file = new OneFile(of)
        const body = pattern(size)
        await writeSynced(sessionWith(file), handle, body, requests, signal)
        expect(Buffer.compare(file.content, body)).toBe(0)
        // The last one closes it.
        expect(file.most).toBeLessThanOrEqual(requests + 1)
      }),
      { numRuns: 60 },
    )
  })

  test('stops reading its body when it is aborted, before it says so', async () => {
    const file = new OneFile({ portions: [1000], backwards: false })
    const body = pattern(1_000_000)
    const controller = new AbortController()
    const reason = new Error('enough')
    setImmediate(() => setImmediate(() => controller.abort(reason)))
    await expect(writeSynced(sessionWith(file), handle, body, 2, controller.signal)).rejects.toBe(reason)
    body.fill(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(file.content.length).toBeGreaterThan(0)
    expect(file.content.length).toBeLessThan(body.length)
    expect(Buffer.compare(file.content, pattern(1_000_000).subarray(0, file.content.length))).toBe(0)
  })

  test('fails with its session, and what is asked of that later fails at once', async () => {
    const file = new OneFile({ portions: [1000], backwards: false })
    const session = sessionWith(file)
    const writing = writeSynced(session, handle, pattern(1_000_000), 2, signal)
    file.destroy()
    await expect(writing).rejects.toThrow('lost')
    expect(session.open).toBe(false)
    expect(session.quietSince).toBeUndefined()
    await expect(session.stat('x')).rejects.toThrow('lost')
  })
})
