/** The CRC-32 of zip and gzip (ISO 3309) of what `crc` is of, followed by `bytes`; start with 0. Four bytes at a time ("slicing"). */
export function crc32(crc: number, bytes: Uint8Array): number {
  const [a, b, c, d] = tables
  let value = ~crc
  let at = 0
  for (const end = bytes.length - (bytes.length % 4); at < end; at += 4) {
    value ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    value = d![value & 0xff]! ^ c![(value >>> 8) & 0xff]! ^ b![(value >>> 16) & 0xff]! ^ a![value >>> 24]!
  }
  for (; at < bytes.length; at++) value = (value >>> 8) ^ a![(value ^ bytes[at]!) & 0xff]!
  return ~value >>> 0
}

const tables: readonly Int32Array[] = makeTables()

function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
    return value
  })
  const all = [first]
  for (let i = 1; i < 4; i++) all.push(all[i - 1]!.map((value) => (value >>> 8) ^ first[value & 0xff]!))
  return all
}
