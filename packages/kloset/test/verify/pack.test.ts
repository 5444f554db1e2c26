import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/bytes/index.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { type IndexedPack, IndexTable, segmentOf } from '../../src/index/index.js'
import { encodeFooter } from '../../src/pack/footer.js'
import { PackWriter, type SealedPack } from '../../src/pack/index.js'
import { verifyPack } from '../../src/verify/index.js'
import { fixedKeyring, mutations } from '../crypto/helpers.js'
import { forgedPack } from '../support/forge.js'
import { noise } from '../support/samples.js'

const keyring = fixedKeyring()

function packOf(
  blobs: readonly Bytes[],
  idOf = (blob: Bytes): Bytes => keyedBlake3(keyring.chunkKey, blob),
): SealedPack {
  let sealed: SealedPack | undefined
  const onPack = (pack: SealedPack): void => {
    sealed = { ...pack, file: pack.file.slice() }
  }
  const writer = new PackWriter({ keyring, class: 'data', frameSize: 4096, packSize: 1 << 20, codec: 'none', onPack })
  for (const blob of blobs) writer.addBytes(idOf(blob), blob)
  writer.flush()
  writer.release()
  return sealed!
}

const codes = (name: Bytes, file: Bytes): string[] => verifyPack(keyring, name, file).findings.map(({ code }) => code)

describe('a pack by itself', () => {
  const sealed = packOf([noise(40, 1), noise(50, 2), noise(2048, 3)])
  const { name, file } = sealed

  it('is whole where it is', () => {
    expect(verifyPack(keyring, name, file)).toEqual({ findings: [], blobs: 3, bytes: 2138 })
  })

  it('is not where any one byte is another, and that is told, not thrown', () => {
    for (const changed of mutations(file)) expect(codes(name, changed)).not.toEqual([])
    for (const length of [0, 3, 4, 45, 46, 100, file.length - 1])
      expect(codes(name, file.subarray(0, length))).not.toEqual([])
  })

  it('is not where it is another pack, which the index tells', () => {
    const other = packOf([noise(40, 4), noise(50, 5), noise(2048, 6)])
    const index = new IndexTable()
    index.add(segmentOf(sealed, 'data'))
    const [{ frames }] = [...index.packs()] as [IndexedPack]
    const found = (bytes: Bytes) => verifyPack(keyring, name, bytes, { index, frames }).findings.map(({ code }) => code)
    expect(found(file)).toEqual([])
    // Of the same layout, and none of its blobs are those that should be here.
    expect(found(other.file)).toEqual(['index-mismatch', 'index-mismatch', 'index-mismatch'])
  })

  it('is not where its blobs are not what their ids say, each of which is told', () => {
    const wrong = packOf([noise(40, 1), noise(50, 2)], (blob) =>
      blob.length === 40 ? new Uint8Array(32) : keyedBlake3(keyring.chunkKey, blob),
    )
    const { findings, blobs } = verifyPack(keyring, wrong.name, wrong.file)
    expect(findings).toEqual([expect.objectContaining({ code: 'chunk-corrupt', frame: 0, id: new Uint8Array(32) })])
    expect(blobs).toBe(2)
  })

  it('is not where its frames are not what its footer says', () => {
    const frame = new Uint8Array(13 + 4)
    new DataView(frame.buffer).setUint32(5, 4, true)
    new DataView(frame.buffer).setUint32(9, 4, true)
    const footer =
      (raw: number) =>
      (length: number, [sealed]: readonly number[]) =>
        encodeFooter({
          class: 'data',
          domain: 0,
          length,
          frames: Uint32Array.of(sealed!, raw, 0),
          records: new Uint8Array(0),
        })
    const right = forgedPack(keyring, [frame], footer(4))
    expect(codes(right.name, right.file)).toEqual([])
    const wrong = forgedPack(keyring, [frame], footer(5))
    expect(codes(wrong.name, wrong.file)).toEqual(['frame-corrupt'])
  })
})
