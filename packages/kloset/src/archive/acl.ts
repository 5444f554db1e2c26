/** The extended attributes in which Linux keeps access lists, and the records of a tar archive for them. */
const keywords: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
}

/**
 * A POSIX access list in the text form of tar archives (`user::rw-,user:1000:r--,…`), from the form that Linux stores it in: version u32
 * (2), then for each entry tag u16, permissions u16 and id u32, all little-endian. Undefined for what is no such list.
 */
export function aclText(
  name: string,
  value: Uint8Array,
): { readonly keyword: string; readonly text: string } | undefined {
  const keyword = Object.hasOwn(keywords, name) ? keywords[name] : undefined
  if (keyword === undefined || value.length < 4 || value.length % 8 !== 4) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (view.getUint32(0, true) !== 2) return undefined
  const entries: string[] = []
  for (let at = 4; at < value.length; at += 8) {
    const tag = tags[view.getUint16(at, true)]
    if (tag === undefined) return undefined
    const permissions = view.getUint16(at + 2, true)
    const id = tag.named ? `${view.getUint32(at + 4, true)}` : ''
    const bits = ['r', 'w', 'x'].map((letter, bit) => ((permissions & (4 >> bit)) === 0 ? '-' : letter))
    entries.push(`${tag.kind}:${id}:${bits.join('')}`)
  }
  return { keyword, text: entries.join(',') }
}

const tags: Readonly<Record<number, { readonly kind: string; readonly named: boolean }>> = {
  1: { kind: 'user', named: false },
  2: { kind: 'user', named: true },
  4: { kind: 'group', named: false },
  8: { kind: 'group', named: true },
  16: { kind: 'mask', named: false },
  32: { kind: 'other', named: false },
}
