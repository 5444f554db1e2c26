import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32 } from '../../src/archive/crc32.js'
import type { Member } from '../../src/archive/format.js'
import { tarFormat } from '../../src/archive/tar.js'
import { zipFormat } from '../../src/archive/zip.js'
import { type Bytes, concatBytes, text, utf8 } from '../../src/bytes/index.js'
import { has, inFile } from './readers.js'

const file = (path: string, size: number): Member => ({ path, stat: { type: 'file', size } })

describe('the checksum of zip and gzip', () => {
  it('is that of the standard, however the bytes come', () => {
    expect(crc32(0, utf8('123456789'))).toBe(0xcbf43926)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
        expect(crc32(crc32(0, bytes.subarray(0, at)), bytes.subarray(at))).toBe(plain(bytes))
      }),
    )
  })

  // Bit by bit, as ISO 3309 says it.
  function plain(bytes: Uint8Array): number {
    let value = 0xffffffff
    for (const byte of bytes) {
      value ^= byte
      for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0)
    }
    return ~value >>> 0
  }
})

describe('what is large', () => {
  it('has its size in a record of a tar', () => {
    const headers = concatBytes(...tarFormat().begin(file('a', 9 * 2 ** 30)))
    expect(text(headers.subarray(512, 536))).toContain('19 size=9663676416\n')
    expect(text(headers.subarray(1024 + 124, 1024 + 136))).toBe('00000000000\0')
  })

  it('has sizes of 64 bits in a zip, and so has an archive of many members', { skip: !has('unzip') }, () => {
    const zip = zipFormat()
    const parts: Bytes[] = []
    // Told to be larger than 4 GiB: what is in it makes no difference to how it is said.
    parts.push(...zip.begin(file('large', 5 * 2 ** 30)), ...zip.part(utf8('not really')), ...zip.end())
    for (let i = 0; i < 66_000; i++) parts.push(...zip.whole(file(`${i}`, 0), []))
    parts.push(...zip.finish())
    const bytes = new Uint8Array(Buffer.concat(parts))
    inFile(bytes, (name) => {
      const unzip = (...args: string[]): string =>
        spawnSync('unzip', [...args], { maxBuffer: 2 ** 24 }).stdout.toString()
      expect(spawnSync('unzip', ['-tqq', name]).status).toBe(0)
      expect(unzip('-Z1', name).split('\n').length).toBe(66_002)
      expect(unzip('-p', name, 'large')).toBe('not really')
    })
  })
})
