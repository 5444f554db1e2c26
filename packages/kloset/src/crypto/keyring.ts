import { type Bytes, toHex } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import { runtime } from '../runtime/index.js'
import { hkdf, subkey } from './kdf.js'

/** How the sealed objects of a store are protected. `none`: against accidents only, every check works the same. */
export type Encryption = 'aes-256-gcm' | 'chacha20-poly1305' | 'none'

/** What unlocks everything in a store. Plain data: it can be cloned into another thread. Never log it. */
export interface KeyMaterial {
  readonly encryption: Encryption
  /** 16 bytes. */
  readonly storeId: Bytes
  /** The store secret, 32 bytes: what ids and boundaries follow from. It never changes, and a family of stores shares it. */
  readonly secret: Bytes
  /** The auth key, 32 bytes: what config, key slots and sealed keys are authenticated with. It never changes, and no other store has it. */
  readonly auth: Bytes
  /** 16 bytes where the secret is shared by stores that cut and name blobs alike; absent, the store is a family of its own. */
  readonly family?: Bytes | undefined
  /** The master keys of the epochs from 0 to the newest, 32 bytes each. */
  readonly epochs: readonly Bytes[]
}

/** What a key of an epoch seals. */
export type SealLabel = 'packs' | 'index' | 'log' | 'read' | 'checkpoints'

/** The keys of a store, each derived when it is first asked for and kept. */
export interface Keyring {
  readonly material: KeyMaterial
  /** The newest epoch: the one new objects are sealed with. */
  readonly epoch: number
  /** Key of the ids of chunks. */
  readonly chunkKey: Bytes
  /** Key of the ids of tree and list nodes. */
  readonly nodeKey: Bytes
  /** Key of the boundaries of tree nodes. */
  readonly splitKey: Bytes
  /** The chunker's 256 gear values, u64 each: 2,048 bytes. */
  readonly gear: Bytes
  /** Key of the config's MAC. */
  readonly configKey: Bytes
  /** Key of the MACs of key slots and sealed keys. */
  readonly slotsKey: Bytes
  /** Key of what this machine keeps of the store in forms of its own: never of anything in the store. */
  readonly localKey: Bytes
  /** A key of an epoch. @throws KLOSET_OBJECT_CORRUPT where the epoch is none of the store's. */
  masterKey(epoch: number, label: SealLabel): Bytes
  /**
   * What a client remembers of the keys, to recognise others in their place: it gives nothing away of them.
   * @throws KLOSET_OBJECT_CORRUPT where the epoch is none of the store's
   */
  fingerprints(epoch: number): KeyFingerprints
}

/** Fingerprints of 16 bytes, as hexadecimal digits. */
export interface KeyFingerprints {
  readonly auth: string
  /** Of an epoch's master key. */
  readonly master: string
}

/** The keys that follow from `material`. */
export function createKeyring(material: KeyMaterial): Keyring {
  const { storeId, secret, auth, family = storeId, epochs } = material
  for (const id of [storeId, family])
    if (id.length !== 16) throw new RangeError('the id of a store or family has 16 bytes')
  if (epochs.length === 0) throw new RangeError('a store has at least the master key of epoch 0')
  for (const key of [secret, auth, ...epochs]) if (key.length !== 32) throw new RangeError('a key has 32 bytes')

  const derived = new Map<string, Bytes>()
  const once = (name: string, derive: () => Bytes): Bytes => {
    let key = derived.get(name)
    if (key === undefined) {
      key = derive()
      derived.set(name, key)
    }
    return key
  }
  const ofStore = (label: string): Bytes => once(label, () => subkey(auth, storeId, label))
  const ofFamily = (label: string, length?: number): Bytes => once(label, () => subkey(secret, family, label, length))

  const masterOf = (epoch: number): Bytes => {
    const master = epochs[epoch]
    if (master !== undefined) return master
    throw new KlosetError('KLOSET_OBJECT_CORRUPT', `Sealed with the key of epoch ${epoch}, which is not known`, {
      hint: 'If the keys of this store were rotated since it was opened, open it again.',
      context: { epoch, newest: epochs.length - 1 },
    })
  }

  return {
    material,
    epoch: epochs.length - 1,
    get chunkKey() {
      return ofFamily('chunks')
    },
    get nodeKey() {
      return ofFamily('nodes')
    },
    get splitKey() {
      return ofFamily('split')
    },
    get gear() {
      return ofFamily('gear', 2_048)
    },
    get configKey() {
      return ofStore('config')
    },
    get slotsKey() {
      return ofStore('slots')
    },
    get localKey() {
      return ofStore('local')
    },
    masterKey(epoch, label) {
      return once(`${epoch} ${label}`, () => subkey(masterOf(epoch), storeId, label))
    },
    fingerprints(epoch) {
      const of = (key: Bytes): string => toHex(subkey(key, storeId, 'fingerprint', 16))
      return { auth: of(auth), master: of(masterOf(epoch)) }
    },
  }
}

/**
 * The keys of a new store: random ones, or for `none` those that follow from its id. With `like`, it joins the family of that store:
 * both have one secret, and each its own auth key and master key, so that who opens one cannot authenticate anything of the other.
 */
export function createKeyMaterial(encryption: Encryption, storeId: Bytes, like?: KeyMaterial): KeyMaterial {
  const family = like && (like.family ?? like.storeId)
  if (encryption === 'none') return plaintextMaterial(storeId, family)
  const secret = like?.secret ?? runtime.randomBytes(32)
  const [auth, master] = [runtime.randomBytes(32), runtime.randomBytes(32)]
  return { encryption, storeId, secret, auth, epochs: [master], ...(family === undefined ? {} : { family }) }
}

/** The keys of a store without encryption. They protect nothing, but let every check work the same. */
export function plaintextMaterial(storeId: Bytes, family?: Bytes): KeyMaterial {
  const keyOf = (id: Bytes): Bytes => hkdf(id, new Uint8Array(0), 'kloset/v1/plaintext')
  const own = keyOf(storeId)
  const keys = { encryption: 'none', storeId, auth: own, epochs: [own] } as const
  return family === undefined ? { ...keys, secret: own } : { ...keys, secret: keyOf(family), family }
}
