import type { Difference, SnapshotEntry } from 'kloset'
import { bytes, count, counted } from './bytes.js'
import { modeText } from './entries.js'
import { shown } from './names.js'
import type { Align } from './table.js'

/** The alignment of the columns of {@link differenceCells}. */
export const differenceAlign: readonly Align[] = ['left', 'right', 'left']

/** A difference as the cells of a table: how, the sizes, the path. */
export function differenceCells(difference: Difference, path: string): string[] {
  const { change, differs, before, after } = difference
  const mark = change === 'changed' && differs.includes('type') ? 'T' : marks[change]
  const name = `${shown(path)}${(after ?? before)!.type === 'directory' && !path.endsWith('/') ? '/' : ''}`
  return [mark, sizes(difference), nameText(difference, name)]
}

/**
 * Whether hardly anybody wants to hear of it: it would be restored the same. A folder's times change with what is in it, which is told by
 * itself; and `ctime` and `inode` are the system's.
 */
export function isSeldomWanted({ differs, after }: Difference): boolean {
  const seldom = after?.type === 'directory' ? ['ctime', 'inode', 'mtime'] : ['ctime', 'inode']
  return differs.every((field) => seldom.includes(field))
}

/** Entries by kind, and the bytes of the files. */
type Sum = Readonly<Record<'files' | 'directories' | 'others' | 'bytes', number>>

/** Differences, counted: as `--json` writes them. */
export interface Counts {
  readonly added: Sum
  readonly removed: Sum
  /** Of the files, how many bytes they had and have. */
  readonly changed: { readonly entries: number; readonly before: number; readonly after: number }
  readonly metadata: number
  readonly renamed: number
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Counts differences. */
export class Tally {
  readonly #added: Mutable<Sum> = { files: 0, directories: 0, others: 0, bytes: 0 }
  readonly #removed: Mutable<Sum> = { files: 0, directories: 0, others: 0, bytes: 0 }
  readonly #changed = { entries: 0, before: 0, after: 0 }
  #metadata = 0
  #renamed = 0

  add({ change, before, after }: Difference): void {
    if (change === 'metadata') this.#metadata++
    else if (change === 'renamed') this.#renamed++
    else if (change === 'changed') {
      this.#changed.entries++
      this.#changed.before += before!.contentSize ?? 0
      this.#changed.after += after!.contentSize ?? 0
    } else {
      const [of, entry] = change === 'added' ? [this.#added, after!] : [this.#removed, before!]
      of[kindOf(entry)]++
      of.bytes += entry.contentSize ?? 0
    }
  }

  get counts(): Counts {
    return {
      added: this.#added,
      removed: this.#removed,
      changed: this.#changed,
      metadata: this.#metadata,
      renamed: this.#renamed,
    }
  }

  get none(): boolean {
    return this.lines().length === 0
  }

  /** For people, one line for each way to differ; none where nothing does. */
  lines(): string[] {
    const of = ({ files, directories, others, bytes: size }: Sum, how: string): string[] => {
      const parts = [
        ...(files > 0 ? [counted(files, 'file')] : []),
        ...(directories > 0 ? [counted(directories, 'directory', 'directories')] : []),
        ...(others > 0 ? [counted(others, 'other')] : []),
      ]
      return parts.length === 0 ? [] : [`${how} ${parts.join(', ')}, ${bytes(size)}`]
    }
    const { entries, before, after } = this.#changed
    const change = `${after >= before ? '+' : '-'}${bytes(Math.abs(after - before))}`
    return [
      ...of(this.#added, 'added'),
      ...of(this.#removed, 'removed'),
      ...(entries > 0 ? [`changed ${count(entries)}, now ${bytes(after)} (${change})`] : []),
      ...(this.#renamed > 0 ? [`renamed ${count(this.#renamed)}`] : []),
      ...(this.#metadata > 0 ? [`other metadata of ${count(this.#metadata)}`] : []),
    ]
  }
}

const marks = { added: '+', removed: '-', changed: 'M', metadata: 'U', renamed: 'R' } as const satisfies Record<
  Difference['change'],
  string
>

function kindOf({ type }: SnapshotEntry): 'files' | 'directories' | 'others' {
  return type === 'file' ? 'files' : type === 'directory' ? 'directories' : 'others'
}

function sizes({ change, before, after }: Difference): string {
  const [old, now] = [sizeOf(before), sizeOf(after)]
  if (change !== 'changed' || old === now) return now ?? old ?? ''
  return `${old ?? '-'} > ${now ?? '-'}`
}

function sizeOf(entry: SnapshotEntry | undefined): string | undefined {
  return entry?.type === 'file' ? count(entry.contentSize ?? 0) : undefined
}

function nameText({ change, differs, before, after }: Difference, name: string): string {
  if (change === 'renamed') return `${shown(before!.path)} -> ${name}`
  if (change === 'changed' && differs.includes('type')) return `${name}  (${before!.type} -> ${after!.type})`
  if (change === 'changed' && differs.includes('target'))
    return `${name}  (-> ${shown(before!.target ?? '')}, now -> ${shown(after!.target ?? '')})`
  if (change !== 'metadata') return name
  const fields = differs.map((field) => (field === 'mode' ? `mode ${modeText(before!)} -> ${modeText(after!)}` : field))
  return `${name}  (${fields.join(', ')})`
}
