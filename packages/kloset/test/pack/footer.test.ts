import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MalformedError } from '../../src/bytes/index.js'
import { decodeFooter, encodeFooter, type Footer } from '../../src/pack/footer.js'
import { limits, openPackUnhashed, packObject } from '../../src/pack/index.js'
import { footerLength } from '../../src/pack/reader.js'
import { fixedKeyring, mutations } from '../crypto/helpers.js'
import { forgedPack } from '../support/forge.js'

const header = 46

/** A footer that fits together: frames of the given raw lengths, each with records of the given lengths. */
function footerWith(
  frames: readonly { readonly sealed: number; readonly raw: number; readonly records: readonly number[] }[],
): Footer {
  const records = new Uint8Array(40 * frames.reduce((sum, frame) => sum + frame.records.length, 0))
  const view = new DataView(records.buffer)
  let at = 0
  for (const { raw, records: lengths } of frames) {
    let offset = 0
    for (const length of lengths) {
      records.fill(at & 255, at, at + 32)
      view.setUint32(at + 32, Math.min(offset, raw - Math.min(length, raw)), true)
      view.setUint32(at + 36, Math.min(length, raw), true)
      offset += length
      at += 40
    }
  }
  return {
    class: frames.length % 2 === 0 ? 'data' : 'metadata',
    domain: 0,
    length: header + frames.reduce((sum, { sealed }) => sum + sealed, 0),
    frames: Uint32Array.from(frames.flatMap(({ sealed, raw, records: own }) => [sealed, raw, own.length])),
    records,
  }
}

const footers = fc
  .array(
    fc.record({
      sealed: fc.integer({ min: 29, max: 5_000 }),
      raw: fc.integer({ min: 0, max: limits.rawFrame }),
      records: fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 6 }),
    }),
    { maxLength: 8 },
  )
  .map(footerWith)

describe('a footer', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(footers, (footer) => {
        expect(decodeFooter(encodeFooter(footer), header, footer.length)).toEqual(footer)
      }),
    )
  })

  it('never crashes a reader, whatever bytes there are instead', () => {
    const some = footerWith([{ sealed: 100, raw: 50, records: [20, 30] }])
    const refusesOrReads = (bytes: Uint8Array): void => {
      try {
        decodeFooter(bytes, header, some.length)
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError)
      }
    }
    for (const changed of mutations(encodeFooter(some))) refusesOrReads(changed)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refusesOrReads))
  })

  const good = footerWith([{ sealed: 100, raw: 50, records: [20, 30] }])
  const numbers = (...frames: number[]): Footer => ({ ...good, frames: Uint32Array.from(frames) })
  it.each<[string, Footer, number]>([
    ['of a pack of another length', good, good.length + 1],
    ['whose frames do not fill the pack', numbers(99, 50, 2), good.length],
    ['whose frames have other records than it counts', numbers(100, 50, 1), good.length],
    ['with a sealed frame above the cap', numbers(limits.sealedFrame + 1, 50, 2), good.length],
    ['with a raw frame above the cap', numbers(100, limits.rawFrame + 1, 2), good.length],
    ['with a record beyond its frame', numbers(100, 49, 2), good.length],
    ['with more records than bytes', { ...good, records: good.records.subarray(0, 40) }, good.length],
    ['with more frames than any pack', { ...good, frames: new Uint32Array(3 * (limits.frames + 1)) }, good.length],
  ])('%s is refused', (_, footer, length) => {
    expect(() => decodeFooter(encodeFooter(footer), header, length)).toThrow(MalformedError)
  })

  it('with a record whose end is beyond 32 bits is refused', () => {
    const records = good.records.slice()
    new DataView(records.buffer).setUint32(32, 0xffff_ffff, true)
    expect(() => decodeFooter(encodeFooter({ ...good, records }), header, good.length)).toThrow('beyond its frame')
  })

  it.each([
    ['longer than the pack', 200, 1000],
    ['longer than the cap', 20 * 1024 * 1024, limits.footer + 1],
    ['of a pack beyond the cap', limits.pack + 1, 100],
    ['of a pack that is only its header', header, 0],
  ])('whose length is %s is refused', (_, size, length) => {
    const tail = new Uint8Array(4)
    new DataView(tail.buffer).setUint32(0, length, true)
    expect(() => footerLength(new Uint8Array(32), tail, size, header)).toThrow(
      expect.objectContaining({ code: 'KLOSET_PACK_CORRUPT' }),
    )
  })

  it('that is sealed right and says wrong things is refused with the name of its pack', () => {
    const keyring = fixedKeyring()
    const { name, file } = forgedPack(keyring, [new Uint8Array(13)], (length) =>
      encodeFooter({ ...good, length: length + 1 }),
    )
    expect(() => openPackUnhashed(keyring, name, file)).toThrow(packObject(name))
  })
})
