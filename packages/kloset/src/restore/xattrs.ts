import { encodeValues } from '../backup/records.js'
import type { Call } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { StoredFile } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { contentLength, type Extent, maxXattrBytes, type StoredContent } from '../tree/index.js'
import type { Target } from './entries.js'
import type { RestoreReport } from './report.js'

/**
 * A target with the values of those extended attributes that are stored as chunks. One that cannot be read is reported, and the target
 * goes without it: what else it is matters more.
 */
export async function withXattrs(
  target: Target,
  store: OpenedStore,
  report: RestoreReport,
  call: Call,
): Promise<Target> {
  const { storedXattrs, ...stat } = target.stat
  if (storedXattrs === undefined) return target
  const blobs = await store.blobs()
  const found: [string, Uint8Array][] = []
  for (const [name, extents] of Object.entries(storedXattrs)) {
    try {
      found.push([name, await new StoredFile(contentOf(name, extents), blobs, call).bytes()])
    } catch (error) {
      call.signal.throwIfAborted()
      report.fail(target.path, error)
    }
  }
  const values = Object.fromEntries(found)
  return { ...target, stat: { ...stat, xattrs: { ...stat.xattrs, ...values } }, values: encodeValues(values) }
}

function contentOf(name: string, extents: readonly Extent[]): StoredContent {
  const content: StoredContent = { form: 'extents', extents }
  const length = contentLength(content)
  if (length <= maxXattrBytes) return content
  throw new KlosetError('KLOSET_LIMIT', `its extended attribute ${name} is said to have ${length} bytes`, {
    context: { name, length, most: maxXattrBytes },
  })
}
