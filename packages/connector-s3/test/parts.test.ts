import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32, crc32Reference, crcHeader } from '../src/checksums.js'
import { retryAfter } from '../src/errors.js'
import { elementsIn, escapeXml, rootOf, textIn } from '../src/xml.js'

test('the quick checksum is the one of the book', () => {
  // The check value of the catalogue of parametrised CRC algorithms (CRC-32/ISO-HDLC).
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => crc32(bytes) === crc32Reference(bytes)))
})

test('a checksum is written as S3 writes it', () => {
  expect(crcHeader(0xcbf43926)).toBe('y/Q5Jg==')
})

test('text survives XML', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(textIn(`<R><Other>x</Other><Key xml:space="preserve">${escapeXml(text)}</Key></R>`, 'Key')).toBe(text)
    }),
  )
  expect(textIn('<Key>&quot;a&#34;&#x22;&apos;&unknown;&#99999999;</Key>', 'Key')).toBe('"a""\'&unknown;&#99999999;')
})

test('elements are found by their whole names', () => {
  const xml = '<?xml version="1.0"?>\n<L xmlns="http://x/"><Keys>no</Keys><C><Key>a</Key></C><C>\n<Key/></C></L>'
  expect(rootOf(xml)).toBe('L')
  expect(elementsIn(xml, 'C')).toEqual(['<Key>a</Key>', '\n<Key/>'])
  expect(textIn(xml, 'Key')).toBe('a')
  expect(textIn(xml, 'Size')).toBeUndefined()
  for (const text of ['', '{"a": 1}', 'plain', '<!doctype html><html>']) expect(rootOf(text)).toBeUndefined()
})

test('how long to wait is told in seconds or by a date', () => {
  const now = Date.parse('2025-01-01T00:00:00Z')
  expect(retryAfter('7', now)).toBe(7000)
  expect(retryAfter('Wed, 01 Jan 2025 00:00:30 GMT', now)).toBe(30_000)
  expect(retryAfter('Tue, 31 Dec 2024 00:00:00 GMT', now)).toBe(0)
  expect(retryAfter('999999999', now)).toBe(3_600_000)
  expect(retryAfter('soon', now)).toBeUndefined()
  expect(retryAfter(undefined, now)).toBeUndefined()
})
