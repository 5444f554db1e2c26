import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, text, utf8 } from '../../src/bytes/index.js'
import { decodeConfig, encodeConfig, type StoreConfig, verifyConfig } from '../../src/store/config.js'
import { codeOf, counted, fixedKeyring, mutations } from '../crypto/helpers.js'

const { configKey } = fixedKeyring()
const MiB = 1024 * 1024
const config: StoreConfig = {
  store: '101112131415161718191a1b1c1d1e1f',
  created: '2026-01-31T12:00:00.000Z',
  requires: [],
  encryption: 'aes-256-gcm',
  chunker: { min: 262_144, normal: 1_048_576, max: 4_194_304 },
  frame: 1_048_576,
  pack: 20_971_520,
  codec: 'auto',
}

describe('a config', () => {
  it('gives back what was put in', () => {
    const sizes = fc
      .tuple(fc.integer({ min: 7, max: 23 }), fc.nat(), fc.nat(), fc.integer({ min: 4_096, max: 4 * MiB }), fc.nat())
      .map(([log, below, above, frame, more]) => {
        const normal = 2 ** log
        const chunker = { min: 64 + (below % (normal - 64)), normal, max: normal + 1 + (above % (16 * MiB - normal)) }
        return { chunker, frame, pack: frame + (more % (128 * MiB - frame + 1)) }
      })
    const choices = fc.record({
      encryption: fc.constantFrom('aes-256-gcm', 'chacha20-poly1305', 'none'),
      codec: fc.constantFrom('auto', 'zstd', 'lz4', 'deflate', 'none'),
      created: fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
        .map((date) => date.toISOString()),
    })
    fc.assert(
      fc.property(sizes, choices, (size, choice) => {
        const made = { ...config, ...size, ...choice } as StoreConfig
        const bytes = encodeConfig(made, configKey)
        expect(decodeConfig(bytes)).toEqual(made)
        expect(codeOf(() => verifyConfig(bytes, configKey))).toBeUndefined()
      }),
    )
  })

  it('is pinned', () => {
    expect(text(encodeConfig(config, configKey)).split('\n')).toEqual([
      '{"format":"kloset","version":1,"store":"101112131415161718191a1b1c1d1e1f","created":"2026-01-31T12:00:00.000Z",' +
        '"requires":[],"encryption":"aes-256-gcm","chunker":{"min":262144,"normal":1048576,"max":4194304},' +
        '"frame":1048576,"pack":20971520,"codec":"auto"}',
      '0fe0c597ec396d9b6a5fba371e556f527683399bba28dbe9e4451333733984bf',
      '',
    ])
  })

  it('shows every change by its MAC, and never crashes', () => {
    const bytes = encodeConfig(config, configKey)
    for (const changed of mutations(bytes)) {
      expect(codeOf(() => verifyConfig(changed, configKey))).toBe('KLOSET_CONFIG_CORRUPT')
      const read = codeOf(() => decodeConfig(changed))
      if (typeof read === 'string') expect(['KLOSET_CONFIG_CORRUPT', 'KLOSET_VERSION']).toContain(read)
      else expect(read).toHaveProperty('store')
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(codeOf(() => decodeConfig(bytes.subarray(0, end)))).toBe('KLOSET_CONFIG_CORRUPT')
      expect(codeOf(() => verifyConfig(bytes.subarray(0, end), configKey))).toBe('KLOSET_CONFIG_CORRUPT')
    }
    expect(codeOf(() => verifyConfig(bytes, counted(32)))).toBe('KLOSET_CONFIG_CORRUPT')
    expect(codeOf(() => decodeConfig(concatBytes(bytes, counted(1))))).toBe('KLOSET_CONFIG_CORRUPT')
  })

  it('of something else is refused as such', () => {
    for (const foreign of [
      '',
      '\n\n',
      '{}\n\n',
      'null\n\n',
      '[1]\n\n',
      '{"format":"restic","version":1}\n\n',
      '\x7fELF\n\n',
      'a\nb\nc\n',
    ]) {
      expect(codeOf(() => decodeConfig(utf8(foreign)))).toBe('KLOSET_CONFIG_CORRUPT')
    }
    expect(codeOf(() => decodeConfig(new Uint8Array(100_000).fill(0x20)))).toBe('KLOSET_CONFIG_CORRUPT')
    expect(codeOf(() => decodeConfig(utf8(`${'['.repeat(60_000)}\n\n`)))).toBe('KLOSET_CONFIG_CORRUPT')
    expect(codeOf(() => decodeConfig(Uint8Array.of(0xff, 0x0a, 0x0a)))).toBe('KLOSET_CONFIG_CORRUPT')
  })

  it('of a later version asks for an update', () => {
    const line = text(encodeConfig(config, configKey)).split('\n')[0]!
    const read = (changed: string): unknown => codeOf(() => decodeConfig(utf8(`${changed}\n${'0'.repeat(64)}\n`)))
    expect(read(line)).toEqual(config)
    expect(read(line.replace('"version":1', '"version":2'))).toBe('KLOSET_VERSION')
    expect(read('{"format":"kloset","version":7,"everything":"else"}')).toBe('KLOSET_VERSION')
    expect(read(line.replace('"requires":[]', '"requires":["erasure-coding"]'))).toBe('KLOSET_VERSION')
    // What a later version adds without requiring it is passed over.
    expect(read(line.replace('{', '{"color":"blue",'))).toEqual(config)
  })

  it.each([
    ['"min":262144', '"min":63'],
    ['"min":262144', '"min":1048576'],
    ['"min":262144', '"min":1.5'],
    ['"min":262144', '"min":-1'],
    ['"normal":1048576', '"normal":1048575'],
    ['"normal":1048576', '"normal":4194304'],
    ['"normal":1048576', '"normal":"1048576"'],
    ['"max":4194304', '"max":16777217'],
    ['"max":4194304', '"max":1e999'],
    ['"frame":1048576', '"frame":4095'],
    ['"frame":1048576', '"frame":4194305'],
    ['"pack":20971520', '"pack":1048575'],
    ['"pack":20971520', '"pack":134217729'],
    ['"codec":"auto"', '"codec":"brotli"'],
    ['"aes-256-gcm"', '"rot13"'],
    ['"requires":[]', '"requires":{}'],
    ['"requires":[]', '"requires":[1]'],
    ['"2026-01-31T12:00:00.000Z"', '"yesterday"'],
    ['"2026-01-31T12:00:00.000Z"', '1769860800000'],
    ['"store":"10', '"store":"1G'],
    ['"store":"10', '"store":"1010'],
    ['"chunker":{', '"chunker":[],"was":{'],
  ])('with %s made %s is refused', (was, is) => {
    const line = text(encodeConfig(config, configKey)).split('\n')[0]!
    expect(line).toContain(was)
    expect(codeOf(() => decodeConfig(utf8(`${line.replace(was, is)}\n${'0'.repeat(64)}\n`)))).toBe(
      'KLOSET_CONFIG_CORRUPT',
    )
  })

  it('is not made of settings that are not allowed', () => {
    expect(() => encodeConfig({ ...config, frame: 1 }, configKey)).toThrow(RangeError)
    expect(() => encodeConfig({ ...config, chunker: { min: 64, normal: 100, max: 200 } }, configKey)).toThrow(
      RangeError,
    )
    expect(() => encodeConfig({ ...config, pack: Number.NaN }, configKey)).toThrow(RangeError)
  })
})
