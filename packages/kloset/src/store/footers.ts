import { fromHex } from '../bytes/index.js'
import type { Call, Storage, StoredObject } from '../connector/index.js'
import type { Keyring } from '../crypto/index.js'
import type { IndexedContents } from '../index/index.js'
import { type PackClass, PackOpener } from '../pack/index.js'
import { footerLength, packHeaderLength } from '../pack/reader.js'

/** What a pack's footer says of it. */
export interface FooterContents extends IndexedContents {
  readonly class: PackClass
}

/** So much is read of the end of a pack at first: most footers are smaller. */
const tailLength = 64 * 1024

/** Reads a pack's footer, in two or three requests: what an index segment would say of it. @throws KLOSET_PACK_CORRUPT */
export async function readFooter(
  storage: Storage,
  keyring: Keyring,
  { name: object, size }: StoredObject,
  call: Call,
): Promise<FooterContents> {
  const name = fromHex(object.slice(object.lastIndexOf('/') + 1))
  const get = (offset: number, length: number): Promise<Uint8Array> =>
    storage.get(object, { ...call, range: { offset, length } })
  const opener = new PackOpener(keyring, name, await get(0, Math.min(size, packHeaderLength)))
  const tail = await get(Math.max(0, size - tailLength), Math.min(size, tailLength))
  const sealedLength = footerLength(name, tail, size, opener.headerLength)
  const start = size - 4 - sealedLength
  const sealed =
    sealedLength + 4 <= tail.length
      ? tail.subarray(tail.length - 4 - sealedLength, tail.length - 4)
      : await get(start, sealedLength)
  const { class: packClass, frames, records } = opener.footer(sealed, start)
  return { name, file: { length: size }, class: packClass, frames, records, headerLength: opener.headerLength }
}

/** Whether an object's name is that of a pack. */
export function isPack(name: string): boolean {
  const [, folder, hex] = /^packs\/([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(name) ?? []
  return folder !== undefined && hex!.startsWith(folder)
}

/** The sizes of all packs, by object name. */
export async function packSizes(storage: Storage, call: Call): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for await (const batch of storage.list('packs/', { ...call, after: undefined })) {
    for (const { name, size } of batch) if (isPack(name)) sizes.set(name, size)
  }
  return sizes
}
