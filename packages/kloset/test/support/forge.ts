import { type Bytes, ByteWriter, concatBytes, toHex, utf8 } from '../../src/bytes/index.js'
import { type Keyring, newHeader, sealer } from '../../src/crypto/index.js'
import { blake3, keyedBlake3 } from '../../src/hash/index.js'
import { encodeSegment, segmentOf } from '../../src/index/index.js'
import { decodeEntry, type EntryDraft, encodeEntry, entryObject } from '../../src/log/index.js'
import { PackWriter, packObject } from '../../src/pack/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { snapshotRecord } from '../log/helpers.js'
import { keyringOf } from './damage.js'

/** Makes objects that no writer of ours would: as somebody could who has the keys, or a writer with a fault. */
export class Forger {
  readonly place: MemoryPlace
  readonly keyring: Keyring

  private constructor(place: MemoryPlace, keyring: Keyring) {
    this.place = place
    this.keyring = keyring
  }

  static async of(place: MemoryPlace): Promise<Forger> {
    return new Forger(place, await keyringOf(place))
  }

  /** Stores nodes in a pack of their own, named by a new segment; gives the segment's name. */
  storeNodes(nodes: readonly Bytes[]): string {
    let name = ''
    const writer = new PackWriter({
      keyring: this.keyring,
      class: 'metadata',
      packSize: 1024 * 1024,
      frameSize: 256 * 1024,
      codec: 'none',
      onPack: (pack) => {
        this.place.set(packObject(pack.name), pack.file.slice())
        name = this.storeSegment(encodeSegment(this.keyring, segmentOf(pack, 'metadata')))
      },
    })
    for (const node of nodes) writer.addBytes(this.idOf(node), node)
    writer.flush()
    writer.release()
    return name
  }

  storeSegment({ name, bytes }: { readonly name: string; readonly bytes: Bytes }): string {
    this.place.set(`index/${name}`, bytes)
    return name
  }

  idOf(node: Bytes): Bytes {
    return keyedBlake3(this.keyring.nodeKey, node)
  }

  /** Adds an entry to the log. */
  append(draft: EntryDraft): number {
    const { position, previous } = this.#next()
    const nonce = utf8(`nonce ${position}`.padEnd(16))
    const entry = encodeEntry(this.keyring, { position, previous, nonce, writer: nonce, time: 1_000 + position }, draft)
    this.place.set(entryObject(position), entry)
    return position
  }

  /** Adds an entry of any kind, with any list of names as its routing has them. */
  appendRaw(kind: number, critical: boolean, previous?: Bytes, json = '{}'): number {
    const next = this.#next()
    const routing = new ByteWriter()
    routing.u64(next.position)
    routing.bytes(previous ?? next.previous)
    routing.bytes(new Uint8Array(32))
    routing.u8(kind)
    routing.u8(critical ? 1 : 0)
    routing.u64(2_000)
    for (let list = 0; list < 4; list++) routing.varint(0)
    const parts = [routing.finish(), utf8(json), Uint8Array.of(0)]
    const lengths = new ByteWriter()
    for (const part of parts) lengths.u32(part.length + 16)
    const header = newHeader('log', 0, lengths.finish())
    const sealed = parts.map((part, i) => sealer(this.keyring, header, i === 0 ? 'log' : 'read').seal(i, 0, part))
    this.place.set(entryObject(next.position), concatBytes(header.bytes, ...sealed))
    return next.position
  }

  /** Adds a snapshot whose tree has this root; `nodes` are stored for it. Gives its id. */
  snapshot(
    root: Bytes,
    nodes: readonly Bytes[],
    totals = { files: 1, directories: 1, others: 0, bytes: 0, errors: 0 },
  ): string {
    const segmentsAdded = nodes.length === 0 ? [] : [this.storeNodes(nodes)]
    const { position } = this.#next()
    const tree = toHex(this.idOf(root))
    const sources = [{ type: 'test', origin: 'here', root: 'forged', tree, totals }]
    // Later than those that were there, so that `latest` names it.
    const time = new Date(Date.now() + 1_000 * position).toISOString()
    const snapshot = snapshotRecord(0xabcd_0000 + position, { sources, time })
    this.append({ content: { kind: 'snapshot', snapshot }, segmentsAdded })
    return snapshot.id
  }

  #next(): { position: number; previous: Bytes } {
    let position = 1
    let previous: Bytes = new Uint8Array(32)
    for (; this.place.has(entryObject(position)); position++) {
      previous = decodeEntry(this.keyring, position, this.place.get(entryObject(position))!).hash
    }
    return { position, previous }
  }
}

/** A pack whose frames are sealed plaintexts and whose footer is what `footer` says. */
export function forgedPack(
  keyring: Keyring,
  plaintexts: readonly Uint8Array[],
  footer: (length: number, sealedLengths: readonly number[]) => Uint8Array,
  trailer?: number,
): { readonly name: Bytes; readonly object: string; readonly file: Bytes } {
  const header = newHeader('pack', 0)
  const parts = sealer(keyring, header, 'packs')
  const sealed = plaintexts.map((plaintext, ordinal) => parts.seal(0, ordinal, plaintext))
  const body = concatBytes(header.bytes, ...sealed)
  const end = parts.seal(
    1,
    0,
    footer(
      body.length,
      sealed.map(({ length }) => length),
    ),
  )
  const length = new ByteWriter()
  length.u32(trailer ?? end.length)
  const file = concatBytes(body, end, length.finish())
  const name = blake3(file)
  return { name, object: packObject(name), file }
}

/** A leaf or inner node with exactly these entries, in this order, without sharing. */
export function forgedNode(
  level: number,
  entries: readonly { readonly key: string; readonly value: Uint8Array }[],
): Bytes {
  const writer = new ByteWriter()
  writer.u8(1)
  writer.u8(level)
  writer.varint(entries.length)
  for (const { key, value } of entries) {
    writer.varint(0)
    writer.sized(utf8(key))
    writer.sized(value)
  }
  return writer.finish()
}

/** The value of an entry of a leaf. */
export function leafValue(stat: Uint8Array, content: Uint8Array): Bytes {
  const writer = new ByteWriter()
  writer.sized(stat)
  writer.bytes(content)
  return writer.finish()
}

/** The value of an entry of an inner node. */
export function childValue(id: Uint8Array, totals: readonly number[]): Bytes {
  const writer = new ByteWriter()
  writer.bytes(id)
  for (const total of totals) writer.varint(total)
  return writer.finish()
}
