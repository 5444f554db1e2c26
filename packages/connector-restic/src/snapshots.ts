import type { PastSnapshot } from 'kloset/connector'
import { damaged } from './errors.js'
import { timeOf } from './go.js'
import { type Fields, itemsOf, textOf } from './json.js'
import { idPattern } from './layout.js'

/**
 * The snapshot that an object tells of; its `content` is the id of its tree, which has all its folders, each below those that it is in.
 * @throws KlosetError KLOSET_OBJECT_CORRUPT
 */
export function snapshotOf(object: string, id: string, fields: Fields): PastSnapshot {
  const content = textOf(fields.tree)
  if (!idPattern.test(content)) throw damaged('KLOSET_OBJECT_CORRUPT', object, 'it has no tree')
  const time = timeOf(textOf(fields.time))
  if (time === undefined) throw damaged('KLOSET_OBJECT_CORRUPT', object, 'it has no time')
  return {
    id,
    content,
    time: new Date(Number(time / 1_000_000n)),
    host: textOf(fields.hostname),
    user: textOf(fields.username),
    tags: itemsOf(fields.tags).map(textOf),
    // It tells its version since 0.17.
    tool: textOf(fields.program_version) || 'restic',
    roots: itemsOf(fields.paths).map(textOf),
  }
}
