import { hkdfSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, concatBytes, fromHex, toHex } from '../../src/bytes/index.js'
import {
  createSlot,
  epochObject,
  type LockedStore,
  type OpenedSlot,
  openEpoch,
  openPrevious,
  passphraseKey,
  previousObject,
  readSlot,
  type Secret,
  sealEpoch,
  sealPrevious,
  unlock,
  verifyEpoch,
  verifyLink,
} from '../../src/crypto/index.js'
import { authTag } from '../../src/crypto/slots.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { cheap, codeOf, codeOfAsync, counted, fixedKeyring, fixedRandom, mutations } from './helpers.js'

const { material, slotsKey } = fixedKeyring()
const { storeId, secret, auth, epochs } = material
const slot = toHex(counted(16, 3))
const privateKey = counted(32, 0x41)

async function keyPair(): Promise<OpenedSlot> {
  const { x25519 } = await import('@noble/curves/ed25519.js')
  return {
    privateKey,
    publicKey: new Uint8Array(x25519.getPublicKey(privateKey)),
    tag: authTag(auth, storeId),
    since: 0,
    sinceTag: counted(32),
  }
}

describe('epochs', () => {
  const place = { storeId, epoch: 1, slot }
  const keys = { master: epochs[1]!, secret, auth, previous: epochs[0]! }

  it('open with the private key of their slot', async () => {
    const pair = await keyPair()
    const bytes = await sealEpoch(place, pair.publicKey, keys)
    expect(bytes.length).toBe(208)
    const opened = await openEpoch(place, pair, bytes)
    expect(opened).toMatchObject({ master: epochs[1]!, secret, auth })
    expect(codeOf(() => verifyLink(place, opened, epochs[0]!))).toBeUndefined()
    for (const other of [epochs[1], epochs[2], undefined])
      expect(codeOf(() => verifyLink(place, opened, other))).toBe('KLOSET_KEY_FORGED')
    expect(codeOf(() => verifyLink({ ...place, epoch: 2 }, opened, epochs[0]!))).toBe('KLOSET_KEY_FORGED')
    expect(codeOf(() => verifyEpoch(place, bytes, auth))).toBeUndefined()
    expect(toHex(await sealEpoch(place, pair.publicKey, keys))).not.toBe(toHex(bytes))
  })

  it('open only unchanged, in their place, by their owner', async () => {
    const pair = await keyPair()
    const bytes = await sealEpoch(place, pair.publicKey, keys, fixedRandom())
    for (const changed of mutations(bytes, 3)) {
      expect(await codeOfAsync(() => openEpoch(place, pair, changed))).toBe('KLOSET_KEY_CORRUPT')
      expect(codeOf(() => verifyEpoch(place, changed, auth))).toBe('KLOSET_KEY_CORRUPT')
    }
    for (const other of [
      { ...place, epoch: 2 },
      { ...place, slot: toHex(counted(16, 4)) },
      { ...place, storeId: counted(16, 99) },
    ]) {
      expect(await codeOfAsync(() => openEpoch(other, pair, bytes))).toBe('KLOSET_KEY_CORRUPT')
      expect(codeOf(() => verifyEpoch(other, bytes, auth))).toBe('KLOSET_KEY_CORRUPT')
    }
    const thief = { ...pair, privateKey: counted(32, 9) }
    expect(await codeOfAsync(() => openEpoch(place, thief, bytes))).toBe('KLOSET_KEY_CORRUPT')
    for (const odd of [new Uint8Array(0), bytes.subarray(1), concatBytes(bytes, counted(1)), new Uint8Array(208)]) {
      expect(await codeOfAsync(() => openEpoch(place, pair, odd))).toBe('KLOSET_KEY_CORRUPT')
    }
  })

  it('give the one before', async () => {
    const bytes = await sealPrevious(storeId, 1, epochs[1]!, epochs[0]!)
    expect(bytes.length).toBe(60)
    expect(toHex(await openPrevious(storeId, 1, epochs[1]!, bytes))).toBe(toHex(epochs[0]!))
    expect(await codeOfAsync(() => openPrevious(storeId, 2, epochs[1]!, bytes))).toBe('KLOSET_KEY_CORRUPT')
    expect(await codeOfAsync(() => openPrevious(storeId, 1, epochs[2]!, bytes))).toBe('KLOSET_KEY_CORRUPT')
    for (const changed of mutations(bytes)) {
      expect(await codeOfAsync(() => openPrevious(storeId, 1, epochs[1]!, changed))).toBe('KLOSET_KEY_CORRUPT')
    }
    expect(await codeOfAsync(() => openPrevious(storeId, 1, epochs[1]!, bytes.subarray(1)))).toBe('KLOSET_KEY_CORRUPT')
  })

  it('are made as the format says', async () => {
    const { gcmsiv } = await import('@noble/ciphers/aes.js')
    const { x25519 } = await import('@noble/curves/ed25519.js')
    const pair = await keyPair()
    const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: string): Uint8Array =>
      new Uint8Array(hkdfSync('sha256', ikm, salt, info, 32))
    const bytes = await sealEpoch(place, pair.publicKey, keys)
    const ephemeral = bytes.subarray(0, 32)
    const shared = x25519.getSharedSecret(privateKey, ephemeral)
    const key = hkdf(shared, concatBytes(ephemeral, pair.publicKey), 'kloset/v1/epoch')
    const data = concatBytes(storeId, fromHex('01000000'), fromHex(slot))
    const linkKey = hkdf(epochs[0]!, storeId, 'kloset/v1/next')
    const link = keyedBlake3(linkKey, concatBytes(fromHex('01000000'), epochs[1]!, auth))
    expect(toHex(gcmsiv(key, new Uint8Array(12), data).decrypt(bytes.subarray(32, 176)))).toBe(
      toHex(concatBytes(epochs[1]!, secret, auth, link)),
    )
    const signed = concatBytes(fromHex('01000000'), fromHex(slot), bytes.subarray(0, 176))
    expect(toHex(bytes.subarray(176))).toBe(toHex(keyedBlake3(slotsKey, signed)))

    const previous = await sealPrevious(storeId, 1, epochs[1]!, epochs[0]!)
    const previousKey = hkdf(epochs[1]!, storeId, 'kloset/v1/previous')
    const opened = gcmsiv(previousKey, previous.subarray(0, 12), data.subarray(0, 20)).decrypt(previous.subarray(12))
    expect(toHex(opened)).toBe(toHex(epochs[0]!))
  })

  it('are pinned', async () => {
    const pair = await keyPair()
    expect(epochObject(7, slot)).toBe(`epochs/0000000007/${slot}`)
    expect(previousObject(7)).toBe('epochs/0000000007/previous')
    expect(toHex(await sealEpoch(place, pair.publicKey, keys, fixedRandom()))).toBe(
      '07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c5f2a331227aa0034ecd484e030875ef80ddfdda2af747a13e547d0fe1c96d195a31ccf0554ac76799847e0375d54e11e59c0d7cf8ed67b8959bab9740cbee7a0624b8a72ab4dce8a2c7174890e62bc8891a27675ebc10c4dfab9934bb9d6bb6d981166fe45ebe701d71a977bce6b2abaaf5181e8f370a3556dd4b0904c6d4a4856ec3a370e0ef3854b1d8d2f1d26952f31aabc238ab7c5083a43139ad4aa0d25afcb97179da60d73c27b9f4dd08a02d1',
    )
    expect(toHex(await sealPrevious(storeId, 1, epochs[1]!, epochs[0]!, fixedRandom()))).toBe(
      '0102030405060708090a0b0cbb40f9cf25325a9691066ba6d3af34f25e22c388034cec4695a2c916bcc1bd97f39f61fde61ca17def212dfac8f471bb',
    )
  })
})

describe('unlock', () => {
  const passphrase: Secret = { passphrase: 'correct horse' }
  const raw: Secret = { key: counted(32, 0x99) }
  const objects = new Map<string, Bytes>()
  let anna = ''
  let server = ''

  beforeAll(async () => {
    const label = ''
    const made = [
      await createSlot({
        material: { ...material, epochs: epochs.slice(0, 1) },
        secret: passphrase,
        label,
        created: 0,
        costs: cheap,
        random: fixedRandom(0),
      }),
      await createSlot({ material, secret: raw, label, created: 0, random: fixedRandom(0x80) }),
    ]
    anna = made[0]!.id
    server = made[1]!.id
    for (const { id, bytes, publicKey } of made) {
      objects.set(`keys/${id}`, bytes)
      for (const [epoch, master] of epochs.entries()) {
        // The first slot was there from the start, the second was added in the newest epoch.
        if (id === server && epoch < 2) continue
        objects.set(
          epochObject(epoch, id),
          await sealEpoch({ storeId, epoch, slot: id }, publicKey, {
            master,
            secret,
            auth,
            previous: epochs[epoch - 1],
          }),
        )
      }
    }
    for (const epoch of [1, 2]) {
      objects.set(previousObject(epoch), await sealPrevious(storeId, epoch, epochs[epoch]!, epochs[epoch - 1]!))
    }
    for (const [name, bytes] of [...objects]) objects.set(`${name}.copy`, bytes)
  })

  function locked(changes: Readonly<Record<string, Uint8Array | undefined>> = {}): LockedStore {
    const all = new Map<string, Uint8Array>(objects)
    for (const [name, bytes] of Object.entries(changes)) {
      if (bytes === undefined) all.delete(name)
      else all.set(name, bytes)
    }
    const slots: { id: string; bytes: Uint8Array }[] = []
    for (const [name, bytes] of [...all].sort()) {
      if (name.startsWith('keys/')) slots.push({ id: name.slice(5, 37), bytes })
    }
    return {
      storeId,
      encryption: 'aes-256-gcm',
      slots,
      epochs: [...all.keys()].filter((name) => name.startsWith('epochs/')),
      fetch: async (name) => [name, `${name}.copy`].flatMap((version) => all.get(version) ?? []),
    }
  }
  const damaged = (name: string, at = 20): Record<string, Uint8Array> => {
    const bytes = new Uint8Array(objects.get(name)!)
    bytes[at]! ^= 1
    return { [name]: bytes }
  }

  it('gives every key of the store, with a passphrase and with a raw key', async () => {
    for (const [one, id] of [
      [passphrase, anna],
      [raw, server],
    ] as const) {
      const unlocked = await unlock(locked(), one)
      expect(unlocked).toEqual({ material, slot: id, damaged: [] })
    }
  })

  it('tells a wrong secret, after one derivation a slot', async () => {
    let derivations = 0
    const derive: typeof passphraseKey = (...how) => {
      derivations++
      return passphraseKey(...how)
    }
    expect(await codeOfAsync(() => unlock(locked(), { passphrase: 'wrong' }, { derive }))).toBe(
      'KLOSET_WRONG_PASSPHRASE',
    )
    expect(derivations).toBe(1)
    expect(await codeOfAsync(() => unlock(locked(), { key: counted(32) }))).toBe('KLOSET_WRONG_PASSPHRASE')
  })

  it('says so where no slot is of that kind, or there is none', async () => {
    const only = { [`keys/${anna}`]: undefined, [`keys/${anna}.copy`]: undefined }
    expect(await codeOfAsync(() => unlock(locked(only), passphrase))).toBe('KLOSET_WRONG_PASSPHRASE')
    const none = { ...only, [`keys/${server}`]: undefined, [`keys/${server}.copy`]: undefined }
    expect(await codeOfAsync(() => unlock(locked(none), raw))).toBe('KLOSET_WRONG_PASSPHRASE')
  })

  it('uses the copy of whatever is damaged or missing', async () => {
    const saltAt = Buffer.from(objects.get(`keys/${anna}`)!).indexOf('"salt":"') + 9
    const names = [`keys/${anna}`, epochObject(2, anna), previousObject(2), previousObject(1)]
    for (const name of names) {
      for (const change of [damaged(name), { [name]: undefined }, { [name]: new Uint8Array(0) }]) {
        const unlocked = await unlock(locked(change), passphrase)
        expect(unlocked.material).toEqual(material)
        expect(unlocked.damaged.every((error) => error.code === 'KLOSET_KEY_CORRUPT')).toBe(true)
        expect(unlocked.damaged.length).toBe(change[name] === undefined ? 0 : 1)
      }
    }
    // A changed digit of the salt looks like a wrong passphrase until the copy is tried.
    const salted = new Uint8Array(objects.get(`keys/${anna}`)!)
    salted[saltAt] = salted[saltAt] === 0x30 ? 0x31 : 0x30
    expect((await unlock(locked({ [`keys/${anna}`]: salted }), passphrase)).material).toEqual(material)
  })

  it('uses another slot where one is damaged with its copy', async () => {
    const second = await createSlot({
      material,
      secret: passphrase,
      label: '',
      created: 0,
      costs: cheap,
    })
    const keys = { master: epochs[2]!, secret, auth, previous: epochs[1]! }
    const place = { storeId, epoch: 2, slot: second.id }
    const both = {
      [`keys/${second.id}`]: second.bytes,
      [epochObject(2, second.id)]: await sealEpoch(place, second.publicKey, keys),
    }
    const broken = { ...damaged(`keys/${anna}`), ...damaged(`keys/${anna}.copy`, 21) }
    const unlocked = await unlock(locked({ ...both, ...broken }), passphrase)
    expect(unlocked).toMatchObject({ slot: second.id, material })
    expect(unlocked.damaged.length).toBe(2)
    const unsealed = Object.fromEntries(
      [0, 1, 2].flatMap((n) => ['', '.copy'].map((c) => [epochObject(n, anna) + c, undefined])),
    )
    expect(await unlock(locked({ ...both, ...unsealed }), passphrase)).toMatchObject({ slot: second.id, material })
  })

  it('finds a lost previous key in the epoch that is sealed to the slot itself', async () => {
    const lost = { [previousObject(2)]: undefined, [`${previousObject(2)}.copy`]: undefined }
    expect((await unlock(locked(lost), passphrase)).material).toEqual(material)
    expect(await codeOfAsync(() => unlock(locked(lost), raw))).toBe('KLOSET_KEY_CORRUPT')
  })

  it('says that keys are damaged, not that the passphrase is wrong, where the passphrase is right', async () => {
    const changes: Record<string, Uint8Array> = {}
    for (const epoch of [0, 1, 2]) {
      for (const copy of ['', '.copy']) Object.assign(changes, damaged(epochObject(epoch, anna) + copy))
    }
    expect(await codeOfAsync(() => unlock(locked(changes), passphrase))).toBe('KLOSET_KEY_CORRUPT')
    const slots = { ...damaged(`keys/${anna}`), ...damaged(`keys/${anna}.copy`, 21) }
    expect(await codeOfAsync(() => unlock(locked(slots), passphrase))).toBe('KLOSET_KEY_CORRUPT')
  })

  it('opens, and tells, where only the MAC of the slot is damaged', async () => {
    const name = `keys/${anna}`
    const last = objects.get(name)!.length - 2
    const unlocked = await unlock(locked(damaged(name, last)), passphrase)
    expect(unlocked.material).toEqual(material)
    expect(unlocked.damaged.map((error) => error.code)).toEqual(['KLOSET_KEY_CORRUPT'])
  })

  it('takes nothing from a slot of another store', async () => {
    const foreign = counted(16, 0xc0)
    const other = await createSlot({ material: { ...material, storeId: foreign }, secret: raw, label: '', created: 0 })
    expect(readSlot(other.bytes, { id: other.id, storeId: foreign }).head.store).toBe(toHex(foreign))
    const store = { ...locked(), slots: [{ id: other.id, bytes: other.bytes }] }
    expect(await codeOfAsync(() => unlock(store, raw))).toBe('KLOSET_KEY_CORRUPT')
  })
})
