import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields, MalformedPacket, packet, packets, readPacket, writePacket } from '../src/sftp/protocol.js'
import { Replies } from '../src/sftp/replies.js'

const data = (id: number, bytes: Uint8Array): Buffer => packet(packets.data, id, bytes)

describe('replies', () => {
  test('are the same however the bytes are cut, and data lands in its place', () => {
    const reply = fc.oneof(
      fc.record({ kind: fc.constant(packets.data), bytes: fc.uint8Array({ maxLength: 50 }) }),
      fc.record({ kind: fc.constant(packets.handle), bytes: fc.uint8Array({ maxLength: 50 }) }),
    )
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 8 }), cuts, (sent, [...sizes]) => {
        const places = sent.map(() => new Uint8Array(60))
        const got: { kind: number; bytes: Uint8Array }[] = []
        const replies = new Replies(
          ({ kind, id, body, received }) => {
            got.push({ kind, bytes: body ? new Fields(body).bytes() : places[id]!.slice(0, received) })
          },
          (id) => places[id],
        )
        const bytes = Buffer.concat(sent.map(({ kind, bytes }, id) => packet(kind, id, bytes)))
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!
          replies.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(got.map(({ kind, bytes }) => [kind, ...bytes])).toEqual(sent.map(({ kind, bytes }) => [kind, ...bytes]))
      }),
    )
  })

  test('never write beyond the place of what was asked for', () => {
    for (const place of [new Uint8Array(3), undefined]) {
      const replies = new Replies(
        () => undefined,
        () => place,
      )
      expect(() => replies.push(data(1, Uint8Array.of(1, 2, 3, 4)))).toThrow(MalformedPacket)
    }
  })

  test('refuse what no server sends, before taking memory for it', () => {
    for (const bytes of [Buffer.from('Welcome to this server!'), Buffer.alloc(20)]) {
      const replies = new Replies(
        () => undefined,
        () => undefined,
      )
      expect(() => replies.push(bytes)).toThrow(MalformedPacket)
    }
  })

  test('with data that says it is longer than its packet are refused', () => {
    const bytes = data(1, Uint8Array.of(1, 2))
    bytes.writeUInt32BE(3, 9)
    const replies = new Replies(
      () => undefined,
      () => new Uint8Array(10),
    )
    expect(() => replies.push(bytes)).toThrow(MalformedPacket)
  })
})

describe('packets', () => {
  test('hold offsets beyond 4 GiB', () => {
    const offset = 5 * 2 ** 32 + 7
    for (const bytes of [
      readPacket(1, Buffer.from('h'), offset, 9),
      writePacket(1, Buffer.from('h'), offset, Buffer.from('x')),
    ]) {
      expect(bytes.readUInt32BE(0)).toBe(bytes.length - 4)
      expect(Number(bytes.readBigUInt64BE(14))).toBe(offset)
    }
  })

  test('hold a copy of what is written: its memory may serve for something else at once', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const sent = writePacket(1, Buffer.from('h'), 0, bytes)
    bytes.fill(9)
    expect([...sent.subarray(-3)]).toEqual([1, 2, 3])
  })

  test('that end too early are malformed', () => {
    expect(() => new Fields(Buffer.from([0, 0, 0, 9, 1])).bytes()).toThrow(MalformedPacket)
    expect(() => new Fields(packet(1, 2 ** 31)).names()).toThrow(MalformedPacket)
  })
})
