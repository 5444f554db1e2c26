import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { pathFromBytes, pathToBytes } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { harmless, lastColumns, shown, widthOf } from '../../src/render/names.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
const obeyed = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])/

describe('shown', () => {
  test('leaves ordinary names alone', () => {
    for (const name of ['etc/hosts', 'Ünïcödé/日本語 🎉', 'a b', "it's", 'back\\slash', '$HOME'])
      expect(shown(name)).toBe(name)
  })

  test('escapes what a terminal would obey', () => {
    expect(shown('a\nb')).toBe("$'a\\nb'")
    expect(shown('\x1b[31mred')).toBe("$'\\x1b[31mred'")
    expect(shown('raw\udcff')).toBe("$'raw\\xff'")
    expect(shown("quote'\t\\")).toBe("$'quote\\'\\t\\\\'")
    expect(shown('gpj.\u202eexe')).toBe("$'gpj.\\u202eexe'")
  })

  test('never lets a control character through', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
        (text) => {
          expect(shown(text)).not.toMatch(obeyed)
          expect(harmless(text)).not.toMatch(obeyed)
        },
      ),
    )
  })

  test('is what a shell reads back', () => {
    const names = [
      Buffer.from('two\nlines\tand\x1b[0m'),
      Buffer.from([0x66, 0xff, 0x41, 0x80, 0x62]),
      Buffer.from("it's \\ a \x07 bell"),
      Buffer.from('é\u0085\u2028 end'),
    ]
    for (const name of names) {
      const text = shown(pathFromBytes(name))
      const read = execFileSync('bash', ['--norc', '-c', `printf %s ${text}`], { env: { LC_ALL: 'C.UTF-8' } })
      expect(read).toEqual(Buffer.from(pathToBytes(pathFromBytes(name))))
    }
  })
})

describe('widths', () => {
  test('count columns, not characters', () => {
    expect(widthOf('abc')).toBe(3)
    expect(widthOf('日本')).toBe(4)
    expect(widthOf('e\u0301')).toBe(1)
    expect(widthOf('🎉')).toBe(2)
  })

  test('a cut text keeps its end and its width', () => {
    expect(lastColumns('abcdef', 6)).toBe('abcdef')
    expect(lastColumns('abcdef', 4)).toBe('…def')
    expect(lastColumns('abc日本', 4)).toBe('…本')
    expect(lastColumns('abc', 0)).toBe('')
  })
})
