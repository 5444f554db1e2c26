import { type Bytes, concatBytes, fromHex, text, toHex, utf8 } from '../../src/bytes/index.js'
import {
  createKeyring,
  epochObject,
  type KeyMaterial,
  previousObject,
  sealEpoch,
  sealPrevious,
} from '../../src/crypto/index.js'
import { blake3, keyedBlake3 } from '../../src/hash/index.js'
import { encodeEntry, entryObject } from '../../src/log/index.js'
import { runtime } from '../../src/runtime/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { decodeConfig, encodeConfig } from '../../src/store/config.js'

/**
 * Somebody who can read and write every object of a store, and has no passphrase or key of it. What he makes, he makes with the engine's own
 * parts, so it is right in everything that can be had without a secret.
 */
export class Attacker {
  readonly place: MemoryPlace
  readonly storeId: Bytes
  readonly slot: string
  readonly publicKey: Bytes

  constructor(place: MemoryPlace) {
    this.place = place
    this.storeId = fromHex(decodeConfig(place.get('config')!).store)
    this.slot = [...place.keys()].find((name) => /^keys\/[0-9a-f]{32}$/.test(name))!.slice(5)
    this.publicKey = fromHex(JSON.parse(this.#slotLines()[0]).publicKey)
  }

  /** Keys of his own for this store; `known` is what he has from elsewhere. */
  material(epochs: number, known: Partial<KeyMaterial> = {}): KeyMaterial {
    const { encryption } = decodeConfig(this.place.get('config')!)
    const random = (): Bytes => runtime.randomBytes(32)
    const masters = Array.from({ length: epochs }, random)
    return { encryption, storeId: this.storeId, secret: random(), auth: random(), epochs: masters, ...known }
  }

  put(name: string, bytes: Bytes): void {
    for (const each of [name, `${name}.copy`]) this.place.set(each, bytes)
  }

  remove(prefix: string): void {
    for (const name of [...this.place.keys()]) if (name.startsWith(prefix)) this.place.delete(name)
  }

  /** Seals keys to the owner's slot as those of an epoch, and the key of the epoch before, if there is one, with them. */
  async sealEpoch(
    epoch: number,
    { storeId, secret, auth, epochs }: KeyMaterial,
    slot: string = this.slot,
  ): Promise<void> {
    const [master, previous] = [epochs[epoch]!, epochs[epoch - 1]]
    const place = { storeId, epoch, slot }
    this.put(epochObject(epoch, slot), await sealEpoch(place, this.publicKey, { master, secret, auth, previous }))
    if (previous !== undefined) this.put(previousObject(epoch), await sealPrevious(storeId, epoch, master, previous))
  }

  /** Makes the MACs of the slot fit his keys. */
  signSlot(material: KeyMaterial): void {
    const [first, second] = this.#slotLines()
    const signed = utf8(`${first}\n${second}\n`)
    const mac = keyedBlake3(createKeyring(material).slotsKey, signed)
    this.put(`keys/${this.slot}`, concatBytes(signed, utf8(`${toHex(mac)}\n`)))
  }

  signConfig(material: KeyMaterial, names: readonly string[] = ['config', 'config.copy']): void {
    const bytes = encodeConfig(decodeConfig(this.place.get('config')!), createKeyring(material).configKey)
    for (const name of names) this.place.set(name, bytes)
  }

  /** An entry after the newest one, sealed with his keys: a client that cannot open it asks the store for newer keys. */
  append(material: KeyMaterial): void {
    const newest = [...this.place.keys()]
      .filter((name) => /^log\/\d{20}$/.test(name))
      .sort()
      .at(-1)!
    const position = Number(newest.slice(4)) + 1
    const previous = blake3(this.place.get(newest)!)
    const [nonce, writer] = [runtime.randomBytes(16), runtime.randomBytes(16)]
    const routing = { position, previous, nonce, writer, time: Date.now() }
    const content = { kind: 'setting', name: 'x', value: 1 } as const
    this.place.set(entryObject(position), encodeEntry(createKeyring(material), routing, { content }))
  }

  #slotLines(): [string, string] {
    return text(this.place.get(`keys/${this.slot}`)!).split('\n') as [string, string]
  }
}
