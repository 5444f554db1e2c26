import { readFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes/index.js'
import { looksCompressible } from '../../src/compress/index.js'
import { noise } from '../kernels/samples.js'

const size = 1 << 20
const source = readFileSync(new URL('../../src/errors.ts', import.meta.url))

/** As many repeats of `bytes` as fill a sample. */
function fill(bytes: Uint8Array): Uint8Array {
  const sample = new Uint8Array(size)
  for (let at = 0; at < size; at += bytes.length) sample.set(bytes.subarray(0, size - at), at)
  return sample
}

function base64(bytes: Uint8Array): Uint8Array {
  return utf8(Buffer.from(bytes).toString('base64'))
}

/** Bytes of entropy-coded pictures: as good as random, with a zero after each 255. */
function likeJpeg(): Uint8Array {
  const bytes = noise(size, 3)
  for (let i = 1; i < size; i++) if (bytes[i - 1] === 255) bytes[i] = 0
  return bytes
}

/** Numbers of 4 bytes that change slowly: pixels, sound and measurements. */
function samplesOfSound(): Uint8Array {
  const values = Float32Array.from({ length: size / 4 }, (_, i) => Math.sin(i / 40) + Math.sin(i / 7) / 3)
  return new Uint8Array(values.buffer)
}

describe('the probe', () => {
  it.each([
    ['random', noise(size)],
    ['a piece that is short', noise(600)],
    ['deflated', deflateRawSync(base64(noise(2 * size))).subarray(0, size)],
    ['like a picture', likeJpeg()],
  ])('finds nothing in bytes that are %s', (_, bytes) => {
    expect(looksCompressible(bytes)).toBe(false)
  })

  it.each([
    ['source code', fill(source)],
    ['a short text', source.subarray(0, 700)],
    ['a text of one line', source.subarray(0, 40)],
    ['UTF-16', fill(new Uint8Array(Uint16Array.from(source).buffer))],
    ['Chinese', fill(utf8('天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏'))],
    ['base64 of random bytes', base64(noise(size))],
    ['hexadecimal of random bytes', utf8(Buffer.from(noise(size)).toString('hex'))],
    ['zeros', new Uint8Array(size)],
    ['random places in zeros', fill(new Uint8Array([...noise(256), ...new Uint8Array(4096)]))],
    ['samples of sound', samplesOfSound()],
    ['a random record again and again', fill(noise(1500))],
    ['half text and half random', new Uint8Array([...fill(source).subarray(size / 2), ...noise(size / 2)])],
    ['nothing', new Uint8Array(0)],
  ])('lets pass %s', (_, bytes) => {
    expect(looksCompressible(bytes)).toBe(true)
  })

  it('lets pass every piece of a text', () => {
    const text = readFileSync(new URL('../../../../docs/format.md', import.meta.url))
    for (let at = 0; at < text.length; at += 512) expect(looksCompressible(text.subarray(at, at + 512))).toBe(true)
  })
})
