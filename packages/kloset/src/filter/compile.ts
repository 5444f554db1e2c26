import { utf8 } from '../bytes/index.js'
import type { Entry, EntryType, Filter, Inspector, WantedFile } from '../connector/index.js'
import { pathToBytes } from '../connector/index.js'
import { patternLines } from './lines.js'
import { PatternList, rootsIn, Subject, segmentsOf } from './pattern-list.js'
import { checkRules, type ExclusionReason, type FilterRules } from './rules.js'

/** What {@link compileFilter} goes by besides the rules. */
export interface FilterContext {
  /** What the root of the source is called, for patterns that are absolute paths; default: it has no name. */
  readonly roots?: readonly string[] | undefined
  /** Told of each entry that is left out. Nothing is told of what is in a directory that is. `reason` finds out why. */
  onExcluded?(path: string, type: EntryType, reason: () => ExclusionReason): void
}

/**
 * Makes a filter of rules. It keeps what it saw of directories, so each scan needs a filter of its own.
 * @throws TypeError or RangeError for rules that are none
 */
export function compileFilter(rules: FilterRules, context: FilterContext = {}): Filter {
  checkRules(rules)
  return new RulesFilter(rules, context)
}

/** What is known of a directory, for all that is in it. */
interface Level {
  /** That of the nearest directory above of which something is known. */
  readonly outer: Level | undefined
  /** Of its ignore files. */
  readonly patterns: PatternList[]
  /** Names that mark it, and what they mark it as: all else in it is left out. */
  readonly tags: Map<string, ExclusionReason>
  /** The file system that entries have to be on. */
  device: bigint | undefined
}

class RulesFilter implements Filter {
  readonly inspector: Inspector | undefined
  readonly #patterns: PatternList
  readonly #rules: FilterRules
  readonly #ignoreFiles: ReadonlySet<string>
  readonly #tags: readonly Tag[]
  readonly #onExcluded: NonNullable<FilterContext['onExcluded']>
  readonly #levels = new Map<string, Level>()
  // Siblings come one after the other.
  #lastDirectory: string | undefined
  #lastLevel: Level | undefined

  constructor(rules: FilterRules, { roots = [], onExcluded = () => undefined }: FilterContext) {
    this.#rules = rules
    this.#patterns = new PatternList(rules.patterns ?? [], rootsIn(roots))
    this.#ignoreFiles = new Set(rules.ignoreFiles)
    this.#tags = tagsOf(rules)
    this.#onExcluded = onExcluded
    const sizes = rules.excludeLargerThan !== undefined || rules.oneFileSystem === true
    if (sizes || this.#ignoreFiles.size > 0 || this.#tags.length > 0)
      this.inspector = {
        takes: (entry, named) => this.#takesEntry(entry, named),
        wants: (directory, names) => this.#wants(directory, names),
        show: (directory, name, beginning) => this.#show(directory, name, beginning),
      }
  }

  takes(path: string, type: EntryType, named = false): boolean {
    if (named || path === '') return true
    const reason = this.#reasonAgainst(path, type)
    if (reason === undefined) return true
    this.#onExcluded(path, type, () => reason)
    return false
  }

  #reasonAgainst(path: string, type: EntryType): ExclusionReason | undefined {
    if (this.#levels.size === 0 && this.#patterns.isEmpty) return undefined
    const subject = new Subject(path, type === 'directory')
    const level = this.#levelOf(parentOf(path))
    if (level !== undefined && level.tags.size > 0 && !level.tags.has(subject.name)) return [...level.tags.values()][0]
    let verdict = this.#patterns.verdict(subject)
    for (let each = level; verdict === undefined && each !== undefined; each = each.outer)
      for (let i = each.patterns.length - 1; verdict === undefined && i >= 0; i--)
        verdict = each.patterns[i]!.verdict(subject)
    if (verdict?.excluded !== true) return undefined
    const { pattern, from } = verdict.rule
    return { by: 'pattern', pattern, from }
  }

  #takesEntry(entry: Entry, named = false): boolean | 'alone' {
    const { path, type, size = 0, inode } = entry
    const { excludeLargerThan: most, oneFileSystem } = this.#rules
    const explicit = named || path === ''
    if (most !== undefined && type === 'file' && size > most && !explicit) {
      this.#onExcluded(path, type, () => ({ by: 'size', size, most }))
      return false
    }
    if (!oneFileSystem || inode === undefined) return true
    if (explicit) {
      if (type === 'directory') this.#levelAt(path).device = inode.device
      return true
    }
    const device = this.#deviceOf(parentOf(path))
    if (device === undefined || device === inode.device) return true
    this.#onExcluded(path, type, () => ({ by: 'file-system' }))
    return type === 'directory' ? 'alone' : false
  }

  #wants(directory: string, names: readonly string[]): readonly WantedFile[] {
    const wanted: WantedFile[] = []
    for (const tag of this.#tags) {
      if (!names.includes(tag.name)) continue
      if (tag.header.length === 0) this.#mark(directory, tag)
      else wanted.push({ name: tag.name, length: tag.header.length })
    }
    for (const name of this.#ignoreFiles) if (names.includes(name)) wanted.push({ name, length: mostIgnoreBytes })
    return wanted
  }

  #show(directory: string, name: string, beginning: Uint8Array | undefined): void {
    if (beginning === undefined) return
    for (const tag of this.#tags)
      if (tag.name === name && tag.header.length > 0 && startsWith(beginning, tag.header)) this.#mark(directory, tag)
    if (!this.#ignoreFiles.has(name)) return
    const from = directory === '' ? name : `${directory}/${name}`
    const depth = directory === '' ? 0 : segmentsOf(directory).length
    this.#levelAt(directory).patterns.push(new PatternList(patternLines(beginning, { from }), undefined, depth))
  }

  #mark(directory: string, { by, name }: Tag): void {
    this.#levelAt(directory).tags.set(name, { by, tag: directory === '' ? name : `${directory}/${name}` })
  }

  #levelAt(directory: string): Level {
    let level = this.#levels.get(directory)
    if (level === undefined) {
      const outer = directory === '' ? undefined : this.#levelOf(parentOf(directory))
      level = { outer, patterns: [], tags: new Map(), device: undefined }
      this.#levels.set(directory, level)
      this.#lastDirectory = undefined
    }
    return level
  }

  /** The level of a directory or, where nothing is known of it, of the nearest above. */
  #levelOf(directory: string): Level | undefined {
    if (this.#levels.size === 0) return undefined
    if (directory === this.#lastDirectory) return this.#lastLevel
    let level = this.#levels.get(directory)
    for (let at = directory; level === undefined && at !== ''; ) {
      at = parentOf(at)
      level = this.#levels.get(at)
    }
    this.#lastDirectory = directory
    this.#lastLevel = level
    return level
  }

  #deviceOf(directory: string): bigint | undefined {
    let level = this.#levelOf(directory)
    while (level !== undefined && level.device === undefined) level = level.outer
    return level?.device
  }
}

/** What marks a directory, compiled. */
interface Tag {
  readonly by: 'cache' | 'present'
  readonly name: string
  readonly header: Uint8Array
}

function tagsOf({ excludeCaches, excludeIfPresent = [] }: FilterRules): Tag[] {
  const caches: Tag = { by: 'cache', name: 'CACHEDIR.TAG', header: utf8(cacheSignature) }
  const present = excludeIfPresent.map(
    ({ name, header = '' }): Tag => ({ by: 'present', name, header: pathToBytes(header) }),
  )
  return [...(excludeCaches ? [caches] : []), ...present]
}

// https://bford.info/cachedir/: the MD5 of ".IsCacheDirectory".
const cacheSignature = 'Signature: 8a477f597d28d172789f06886806bc55'

/** More in one file would be no list that a person keeps. */
const mostIgnoreBytes = 1024 * 1024

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, at) => bytes[at] === byte)
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
