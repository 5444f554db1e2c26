import { hkdfSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex, text, toHex, utf8 } from '../../src/bytes/index.js'
import {
  createSlot,
  fitsSlot,
  type NewSlotOptions,
  openSlot,
  passphraseKey,
  readSlot,
  refusedCosts,
  type Secret,
  verifySlot,
} from '../../src/crypto/index.js'
import { KlosetError } from '../../src/errors.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { cheap, codeOf, codeOfAsync, counted, fixedKeyring, fixedRandom, mutations } from './helpers.js'

const { material, slotsKey } = fixedKeyring()
const { storeId, auth, epochs } = material
const native = (ikm: Uint8Array, salt: Uint8Array, label: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', ikm, salt, `kloset/v1/${label}`, 32))
const rawKey = counted(32, 0x77)

function slotOf(secret: Secret, options: Partial<NewSlotOptions> = {}): ReturnType<typeof createSlot> {
  const created = Date.UTC(2026, 0, 31, 12)
  return createSlot({
    material,
    secret,
    label: 'laptop',
    created,
    costs: cheap,
    random: fixedRandom(),
    ...options,
  })
}

describe('passphrase', () => {
  it('agrees with RFC 9106 Argon2id as another implementation computes it', async () => {
    const { argon2id } = await import('@noble/hashes/argon2.js')
    const salt = counted(16)
    const other = argon2id(utf8('correct horse'), salt, { m: 8_192, t: 1, p: 2, dkLen: 32 })
    expect(toHex(await passphraseKey('correct horse', salt, { ...cheap, lanes: 2 }))).toBe(toHex(other))
  })

  it('is the same however its accents were typed', async () => {
    const composed = await passphraseKey('d\u00e9j\u00e0', counted(16), cheap)
    expect(toHex(await passphraseKey('de\u0301ja\u0300', counted(16), cheap))).toBe(toHex(composed))
  })

  it('has costs with a floor and a ceiling', async () => {
    const costs = (memoryKiB: number, passes: number, lanes: number): string | undefined =>
      refusedCosts({ memoryKiB, passes, lanes })
    expect([costs(8_192, 1, 1), costs(1_048_576, 4, 16), costs(262_144, 16, 1)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    const refused = [costs(8_191, 1, 1), costs(1_048_577, 1, 1), costs(65_536, 0, 1), costs(65_536, 17, 1)]
    refused.push(
      costs(65_536, 1, 0),
      costs(65_536, 1, 17),
      costs(1_048_576, 5, 1),
      costs(65_536.5, 1, 1),
      costs(Number.NaN, 1, 1),
    )
    expect(refused.every((reason) => typeof reason === 'string')).toBe(true)
    await expect(passphraseKey('x', counted(16), { memoryKiB: 2 ** 30, passes: 1, lanes: 1 })).rejects.toThrow(
      RangeError,
    )
  })
})

describe.each([
  ['passphrase', { passphrase: 'correct horse battery staple' }, { passphrase: 'correct horse battery stable' }],
  ['raw', { key: rawKey }, { key: counted(32, 0x78) }],
] as const)('a %s slot', (kind, secret, wrong) => {
  it('opens with its secret, and gives the private key of its public key', async () => {
    const { id, bytes, publicKey } = await slotOf(secret)
    const slot = readSlot(bytes, { id, storeId })
    expect(toHex(slot.head.publicKey)).toBe(toHex(publicKey))
    expect(slot.head).toMatchObject({ label: 'laptop', created: '2026-01-31T12:00:00.000Z', store: toHex(storeId) })
    // The id takes the first 16 bytes of fixed randomness, the private key the next 32.
    const tag = native(auth, storeId, 'slot/auth')
    const sinceTag = native(epochs[2]!, storeId, 'slot/master')
    expect(await openSlot(slot, secret)).toEqual({ privateKey: counted(32, 17), publicKey, tag, since: 2, sinceTag })
    expect(codeOf(() => verifySlot(id, bytes, slotsKey))).toBeUndefined()
  })

  it('does not open with another secret, or with one of the other kind', async () => {
    const { id, bytes } = await slotOf(secret)
    const slot = readSlot(bytes, { id, storeId })
    const other: Secret = kind === 'raw' ? { passphrase: 'x' } : { key: rawKey }
    expect(await codeOfAsync(() => openSlot(slot, wrong))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect(await codeOfAsync(() => openSlot(slot, other))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect(await codeOfAsync(() => openSlot(slot, { passphrase: '' }))).toBe('KLOSET_WRONG_PASSPHRASE')
    expect([fitsSlot(slot, secret), fitsSlot(slot, wrong), fitsSlot(slot, other)]).toEqual([true, true, false])
  })

  it('belongs to its name and store', async () => {
    const { id, bytes } = await slotOf(secret)
    expect(codeOf(() => readSlot(bytes, { id: toHex(counted(16, 99)), storeId }))).toBe('KLOSET_KEY_CORRUPT')
    expect(codeOf(() => readSlot(bytes, { id, storeId: counted(16, 99) }))).toBe('KLOSET_KEY_CORRUPT')
    expect(codeOf(() => verifySlot(id, bytes, counted(32)))).toBe('KLOSET_KEY_CORRUPT')
  })

  it('shows every change, and never crashes', async () => {
    const { id, bytes } = await slotOf(secret)
    const privateKey = toHex(counted(32, 17))
    // Argon2 is not what is tested here, and would take a minute.
    const derive = async (): ReturnType<typeof passphraseKey> => {
      return 'passphrase' in secret ? known : counted(32)
    }
    const known = 'passphrase' in secret ? await passphraseKey(secret.passphrase, counted(16, 49), cheap) : counted(32)
    for (const changed of mutations(bytes)) {
      expect(codeOf(() => verifySlot(id, changed, slotsKey))).toBe('KLOSET_KEY_CORRUPT')
      const outcome = await codeOfAsync(async () => {
        return toHex((await openSlot(readSlot(changed, { id, storeId }), secret, derive)).privateKey)
      })
      expect(['KLOSET_KEY_CORRUPT', 'KLOSET_WRONG_PASSPHRASE', 'KLOSET_VERSION', privateKey]).toContain(outcome)
      const inThirdLine = changed.lastIndexOf(0x0a, -2) + 1
      if (outcome === privateKey)
        expect(toHex(changed.subarray(0, inThirdLine))).toBe(toHex(bytes.subarray(0, inThirdLine)))
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(codeOf(() => readSlot(bytes.subarray(0, end), { id, storeId }))).toBe('KLOSET_KEY_CORRUPT')
    }
  })
})

it('pins a passphrase slot and a raw slot', async () => {
  const lines = async (secret: Secret): Promise<string[]> => text((await slotOf(secret)).bytes).split('\n')
  expect(await lines({ passphrase: 'correct horse' })).toEqual([
    '{"version":1,"store":"101112131415161718191a1b1c1d1e1f","slot":"0102030405060708090a0b0c0d0e0f10","kind":"passphrase","label":"laptop","created":"2026-01-31T12:00:00.000Z","kdf":{"name":"argon2id","salt":"3132333435363738393a3b3c3d3e3f40","memoryKiB":8192,"passes":1,"lanes":1},"publicKey":"4d27bcee3135c4944b28d27dd809b07be10c35160d20131caa7e85575498d07c"}',
    'PDty8HmgReZOw/2AOTzvp6KKcH9cebDl+w4CqsbR861BQkNERUZHSElKS0xSbbRhIz7pKvRQp+ceHQylou1QfOp2BrEP/0dxM5xBAhSywhCFaVXlsQF1Fo2PMwuPVnHr9aQHsMSE649A5uCb6Q5IcHEZGJ3WnzfFXITEm4pdbu9ts3w5Sfav7XiZlzN9BNasB3AcTMYhHh5i42f3RaQJTA==',
    'bdcde5ed4fecd48dbe496423c899acfe8e212b21f5ed0d80550820c18eef28e6',
    '',
  ])
  expect(await lines({ key: rawKey })).toEqual([
    '{"version":1,"store":"101112131415161718191a1b1c1d1e1f","slot":"0102030405060708090a0b0c0d0e0f10","kind":"raw","label":"laptop","created":"2026-01-31T12:00:00.000Z","kdf":{"name":"none"},"publicKey":"4d27bcee3135c4944b28d27dd809b07be10c35160d20131caa7e85575498d07c"}',
    'qUI58Y+08Qz/eTDmZYA3zTkmiq7ml1+414eLZPiWiiUxMjM0NTY3ODk6Ozwl6EQ7ktK1QKOXz8R084SOcD/Cnuszfg3M5TeYQ/gIk5u/wQYtt4NIXsy+2pJgyHdj7SvqetBWu7mmOZBS19/4sFlalungIolK6aKGxqpaGtpMHSVsmTilP8h17zZwHDe/F9qNpyKWUc2/6iM1D5hXsNGt1Q==',
    'b58da46368db03a38dc984ef863b657b832a02e27e9c0011c38e5dd3b0ed71a0',
    '',
  ])
})

it('is made as the format says', async () => {
  const { gcmsiv } = await import('@noble/ciphers/aes.js')
  const { id, bytes } = await slotOf({ key: rawKey })
  const [first, second, third] = text(bytes).split('\n')
  const wrapped = new Uint8Array(Buffer.from(second!, 'base64'))
  const derived = (info: string): Uint8Array => new Uint8Array(hkdfSync('sha256', rawKey, fromHex(id), info, 32))
  expect(toHex(wrapped.subarray(0, 32))).toBe(toHex(derived('kloset/v1/slot/commit')))
  const opened = gcmsiv(derived('kloset/v1/slot/wrap'), wrapped.subarray(32, 44), utf8(first!)).decrypt(
    wrapped.subarray(44),
  )
  const tag = native(auth, storeId, 'slot/auth')
  expect(toHex(opened)).toBe(
    toHex(concatBytes(counted(32, 17), tag, fromHex('02000000'), native(epochs[2]!, storeId, 'slot/master'))),
  )
  expect(third).toBe(toHex(keyedBlake3(slotsKey, utf8(`${first}\n${second}\n`))))
})

it('asks for costs within bounds before it computes anything', async () => {
  const { id, bytes } = await slotOf({ passphrase: 'x' })
  const asking = (costs: string): Uint8Array =>
    utf8(text(bytes).replace('"memoryKiB":8192,"passes":1,"lanes":1', costs))
  for (const costs of [
    '"memoryKiB":1048577,"passes":1,"lanes":1',
    '"memoryKiB":4294967295,"passes":1,"lanes":1',
    '"memoryKiB":1048576,"passes":16,"lanes":1',
    '"memoryKiB":65536,"passes":100,"lanes":1',
    '"memoryKiB":65536,"passes":3,"lanes":0',
    '"memoryKiB":64,"passes":1,"lanes":1',
    '"memoryKiB":-1,"passes":1,"lanes":1',
    '"memoryKiB":1e300,"passes":1,"lanes":1',
    '"memoryKiB":"65536","passes":1,"lanes":1',
    '"passes":1,"lanes":1',
  ]) {
    expect(() => readSlot(asking(costs), { id, storeId })).toThrow(KlosetError)
    expect(codeOf(() => readSlot(asking(costs), { id, storeId }))).toBe('KLOSET_KEY_CORRUPT')
  }
  expect(() => readSlot(asking('"memoryKiB":2097152,"passes":1,"lanes":1'), { id, storeId })).toThrow(/2097152 KiB/)
})

it('refuses hostile lines', async () => {
  const { id, bytes } = await slotOf({ key: rawKey })
  const [first, second, third] = text(bytes).split('\n')
  const read = (...lines: (string | undefined)[]): unknown =>
    codeOf(() => readSlot(utf8(`${lines.join('\n')}\n`), { id, storeId }).head.slot)
  expect(read(first, second, third)).toBe(id)
  for (const line of ['', '[]', 'null', '1', '{}', '{"version":1}', '{"__proto__":{"version":1}}', '"'.repeat(9_000)]) {
    expect(read(line, second, third)).toBe('KLOSET_KEY_CORRUPT')
  }
  for (const line of ['', '=', 'AAAA', `${second} `, second!.replace(/.$/, ''), 'é'.repeat(122)]) {
    expect(read(first, line, third)).toBe('KLOSET_KEY_CORRUPT')
  }
  expect(read(first, second)).toBe('KLOSET_KEY_CORRUPT')
  expect(read(first, second, third, third)).toBe('KLOSET_KEY_CORRUPT')
  expect(read(first!.replace('"version":1', '"version":2'), second, third)).toBe('KLOSET_VERSION')
  expect(read(first!.replace('"kind":"raw"', '"kind":"passphrase"'), second, third)).toBe('KLOSET_KEY_CORRUPT')
  expect(codeOf(() => readSlot(concatBytes(bytes, new Uint8Array(17_000)), { id, storeId }))).toBe('KLOSET_KEY_CORRUPT')
})

it('takes no secret that protects nothing, and no label that does not fit', async () => {
  await expect(slotOf({ passphrase: '' })).rejects.toThrow(RangeError)
  await expect(slotOf({ key: counted(16) })).rejects.toThrow(RangeError)
  await expect(slotOf({ passphrase: 'x' }, { costs: { ...cheap, memoryKiB: 1_024 } })).rejects.toThrow(RangeError)
  await expect(slotOf({ key: rawKey }, { label: 'x'.repeat(17_000) })).rejects.toThrow(RangeError)
  const { id, bytes } = await slotOf({ key: rawKey }, { label: 'line\nfeed "quoted" ü' })
  expect(readSlot(bytes, { id, storeId }).head.label).toBe('line\nfeed "quoted" ü')
})

it('has an id and keys of its own each time', async () => {
  const made = await Promise.all(
    [1, 2].map(() => createSlot({ material, secret: { key: rawKey }, label: '', created: 0 })),
  )
  expect(made[0]!.id).not.toBe(made[1]!.id)
  expect(fromHex(made[0]!.id).length).toBe(16)
  expect(toHex(made[0]!.publicKey)).not.toBe(toHex(made[1]!.publicKey))
})
