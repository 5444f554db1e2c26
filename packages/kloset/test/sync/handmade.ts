import { type Bytes, toHex, utf8 } from '../../src/bytes/index.js'
import { compareKeys } from '../../src/connector/index.js'
import { openedStore } from '../../src/facade.js'
import { keyedBlake3 } from '../../src/hash/index.js'
import { encodeSegment, segmentOf } from '../../src/index/index.js'
import { PackWriter, packObject } from '../../src/pack/index.js'
import { type Extent, encodeStat, ListBuilder, noContent, type Stat, TreeBuilder } from '../../src/tree/index.js'
import { call } from '../backup/support.js'
import { snapshotRecord } from '../log/helpers.js'
import type { Placed } from './support.js'

/** An entry of a snapshot made by hand: content in pieces, each a chunk, or a number for a hole; xattrs that are stored as chunks. */
export interface HandmadeItem {
  readonly stat: Stat
  readonly content?: Iterable<Bytes | number>
  readonly long?: Readonly<Record<string, readonly Bytes[]>>
}

/** Commits a snapshot with what no backup of ours makes: holes, and extended attributes of any length. Gives its id. */
export async function commitHandmade(
  { store, place }: Placed,
  items: Readonly<Record<string, HandmadeItem>>,
  seed = 1,
): Promise<string> {
  const { keyring, log, config } = openedStore(store)
  const segments: string[] = []
  const writers = (['data', 'metadata'] as const).map(
    (ofClass) =>
      new PackWriter({
        keyring,
        class: ofClass,
        packSize: config.pack,
        frameSize: config.frame,
        codec: 'lz4',
        onPack(pack) {
          place.set(packObject(pack.name), pack.file.slice())
          const { name, bytes } = encodeSegment(keyring, segmentOf(pack, ofClass))
          place.set(`index/${name}`, bytes)
          segments.push(name)
        },
      }),
  )
  const [data, metadata] = writers as [PackWriter, PackWriter]
  const index = await openedStore(store).index()
  const known = new Set<string>()
  const isNew = (id: Bytes): boolean => index.locate(id) === undefined && known.size !== known.add(toHex(id)).size
  const chunk = (bytes: Bytes): Extent => {
    const id = keyedBlake3(keyring.chunkKey, bytes)
    if (isNew(id)) data.addBytes(id, bytes)
    return { id, length: bytes.length }
  }
  const write = (id: Bytes, encoded: Bytes): void => {
    if (isNew(id)) metadata.addBytes(id, encoded)
  }
  const { splitKey, nodeKey } = keyring
  const builder = new TreeBuilder({ splitKey, nodeKey, write })
  const keyed = Object.entries(items).map(([path, item]) => ({ key: utf8(path), item }))
  keyed.sort((a, b) => compareKeys(a.key, 0, a.key.length, b.key, 0, b.key.length))
  for (const { key, item } of keyed) {
    const long = Object.entries(item.long ?? {}).map(([name, values]) => [name, values.map(chunk)] as const)
    const stat = encodeStat(long.length === 0 ? item.stat : { ...item.stat, storedXattrs: Object.fromEntries(long) })
    const list = new ListBuilder({ nodeKey, write })
    for (const piece of item.content ?? []) {
      if (typeof piece === 'number') await list.hole(piece)
      else {
        const { id, length } = chunk(piece)
        await list.chunk(id!, length)
      }
    }
    await builder.add(key, stat, item.content === undefined ? noContent : await list.finish())
  }
  const { root, totals } = await builder.finish()
  for (const writer of writers) {
    writer.flush()
    writer.release()
  }
  const sources = [{ type: 'test', origin: 'here', root: '/by-hand', tree: toHex(root), totals }]
  const time = `2026-01-${String(seed).padStart(2, '0')}T12:00:00.000Z`
  const snapshot = snapshotRecord(0xabc_0000 + seed, { sources, time })
  const draft = { content: { kind: 'snapshot' as const, snapshot }, segmentsAdded: segments }
  await log.append(draft, { ...call, since: log.state.position, reconsider: () => draft })
  return snapshot.id
}
