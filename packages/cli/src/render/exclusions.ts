import type { ExclusionReason } from 'kloset'
import { bytes } from './bytes.js'
import { harmless, shown } from './names.js'

/** Why an entry was left out, for people. */
export function reasonText(reason: ExclusionReason): string {
  switch (reason.by) {
    case 'pattern': {
      const { pattern, from } = reason
      if (from === undefined) return shown(pattern)
      return from.startsWith('--') ? `${from} ${shown(pattern)}` : `${shown(pattern)} in ${harmless(from)}`
    }
    case 'cache':
      return `a cache: ${shown(reason.tag)}`
    case 'present':
      return `marked by ${shown(reason.tag)}`
    case 'size':
      return `${bytes(reason.size)} is more than ${bytes(reason.most)}`
    case 'file-system':
      return 'another file system'
    default:
      return reason satisfies never
  }
}
