import type { BackupEvent } from '../api.js'
import type { Entry, Failure, Filter, Source } from '../connector/index.js'
import { everything } from '../connector/index.js'
import { compileFilter, type FilterRules, isEmpty } from '../filter/index.js'

/** What a scan leaves out. It goes to the threads that scan. */
export interface ScanRules {
  readonly rules: FilterRules
  /** Whether it is told of each entry why it is left out. */
  readonly explain: boolean
  /** What the source's root is called: as it is read, where that really is, and the root it stands for. */
  readonly roots: readonly string[]
  /** Whether the source asks about more than paths and types. */
  readonly inspects: boolean
}

/** An entry that was left out, as it is told. */
export type Exclusion = Extract<BackupEvent, { readonly type: 'excluded' }>

/** What was left out since the last batch. */
export interface Exclusions {
  readonly count: number
  /** Empty unless they are explained. */
  readonly entries: readonly Exclusion[]
}

/** The rules for the scan of a source, which may stand for another root. */
export function scanRules(
  source: Source,
  { filter = {}, entries = false }: { readonly filter?: FilterRules; readonly entries?: boolean },
  as?: string,
): ScanRules {
  const inspects = source.capabilities.inspects === true
  const roots = [source.root, source.realRoot, as].filter((root) => root !== undefined)
  return { rules: inspects ? filter : withoutInspection(filter), explain: entries, roots, inspects }
}

/** What rules ask of a source that does not inspect, and so have no effect there. */
export function withoutEffect({ capabilities }: Source, rules: FilterRules): string[] {
  if (capabilities.inspects === true) return []
  const { excludeCaches, excludeIfPresent = [], oneFileSystem } = rules
  return [
    ...(excludeCaches ? ['caches'] : []),
    ...(excludeIfPresent.length > 0 ? ['marked directories'] : []),
    ...(oneFileSystem ? ['other file systems'] : []),
  ]
}

function withoutInspection({ patterns, excludeLargerThan }: FilterRules): FilterRules {
  return { patterns, excludeLargerThan }
}

/** The filter of one scan, or of the part of one that a worker does, and what it left out. */
export class ScanFilter {
  readonly filter: Filter
  readonly #inspects: boolean
  #count = 0
  #entries: Exclusion[] = []

  /** `owner`: takes what falls to this part; `owns`: says of what every part sees whether it falls to this one. */
  constructor(
    { rules, explain, roots, inspects }: ScanRules,
    owner: Filter = everything,
    owns = (_path: string): boolean => true,
  ) {
    this.#inspects = inspects
    const ruled = compileFilter(rules, {
      roots,
      onExcluded: (path, kind, reason) => {
        if (!owns(path)) return
        this.#count++
        if (explain) this.#entries.push({ type: 'excluded', path, kind, reason: reason() })
      },
    })
    this.filter = isEmpty(rules)
      ? owner
      : {
          takes: (path, type, named) => owner.takes(path, type) && ruled.takes(path, type, named),
          inspector: ruled.inspector,
        }
  }

  /** Does for a source that does not inspect what can be done for it. */
  keeps(item: Entry | Failure): boolean {
    if (this.#inspects || 'error' in item) return true
    return this.filter.inspector?.takes(item) !== false
  }

  /** What was left out since it was asked last. */
  take(): Exclusions {
    const taken = { count: this.#count, entries: this.#entries }
    this.#count = 0
    this.#entries = []
    return taken
  }
}
