import type { Storage } from 'kloset/connector'
import type { BlobIndex } from './blob-index.js'
import { damaged } from './errors.js'
import type { Layout } from './layout.js'
import { openSealed, type SealKeys, sealedExtra } from './sealed.js'

/** Adds the blobs of a pack to an index, by what the pack says of itself at its end (restic's design, "Pack Format"). */
export async function indexPack(
  storage: Storage,
  keys: SealKeys,
  layout: Layout,
  pack: string,
  index: BlobIndex,
  signal: AbortSignal,
): Promise<void> {
  const object = layout.pack(pack)
  const broken = (why: string): Error => damaged('KLOSET_PACK_CORRUPT', object, why)
  const size = (await storage.stat(object, { signal }))?.size ?? 0
  if (size < 4 + sealedExtra) throw broken('it is too short')
  // Most headers are in the first of these reads.
  const tail = await read(Math.min(size, usualTail))
  const length = new DataView(tail.buffer, tail.byteOffset, tail.length).getUint32(tail.length - 4, true)
  if (length < sealedExtra || length > size - 4) throw broken('its header has no length that it could have')
  const whole = length + 4 <= tail.length ? tail : await read(length + 4)
  const header = openSealed(keys, whole.subarray(whole.length - 4 - length, whole.length - 4))
  if (header === undefined) throw broken('its header does not authenticate')
  addBlobs(header, pack, size - 4 - length, index, broken)

  function read(bytes: number): Promise<Uint8Array> {
    return storage.get(object, { signal, range: { offset: size - bytes, length: bytes } })
  }
}

const usualTail = 64 * 1024

/** The entries of a header, in the order of the blobs, which fill the pack up to it: the place of each follows from those before. */
function addBlobs(
  header: Uint8Array,
  pack: string,
  end: number,
  index: BlobIndex,
  broken: (why: string) => Error,
): void {
  const view = new DataView(header.buffer, header.byteOffset, header.length)
  let offset = 0
  for (let at = 0; at < header.length; ) {
    const type = header[at]!
    // Data, tree, compressed data, compressed tree.
    if (type > 3) throw broken(`its header tells of a blob of kind ${type}`)
    const id = at + (type >= 2 ? 9 : 5)
    if (id + 32 > header.length) throw broken('its header ends in the middle of an entry')
    const length = view.getUint32(at + 1, true)
    const rawLength = type >= 2 ? view.getUint32(at + 5, true) : 0
    if (offset + length > end) throw broken('its header tells of more than there is')
    index.add(Buffer.from(header.subarray(id, id + 32)).toString('hex'), { pack, offset, length, rawLength })
    offset += length
    at = id + 32
  }
}
