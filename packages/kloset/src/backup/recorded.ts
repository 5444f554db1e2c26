import type { BackupOptions, ScanOptions } from '../api.js'
import type { Source } from '../connector/index.js'
import { recordedRules } from '../filter/index.js'
import type { SnapshotRecord } from '../log/index.js'

/** The roots that sources stand for, in their order; none where each stands for itself. */
export function rootsOf({ as = [] }: ScanOptions): readonly string[] {
  return typeof as === 'string' ? [as] : as
}

/** What a snapshot records of how it was made; undefined where all was as usual. */
export function recordedOptions(options: BackupOptions, sources: readonly Source[]): SnapshotRecord['options'] {
  const { ctime = true, inode = true } = options.compare ?? {}
  const filter = recordedRules(options.filter ?? {})
  const recorded = {
    ...(filter && { filter }),
    ...((!ctime || !inode) && { compare: { ctime, inode } }),
    ...(rootsOf(options).length > 0 && { readFrom: sources.map(({ root }) => root) }),
  }
  return Object.keys(recorded).length === 0 ? undefined : recorded
}
