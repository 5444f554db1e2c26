import type { Notice } from '../api.js'
import { text, toHex, utf8 } from '../bytes/index.js'
import { blake3 } from '../hash/index.js'
import { type LocalFiles, runtime } from '../runtime/index.js'

/** The members of a JSON object. */
export type Members = Readonly<Record<string, unknown>>

/** What a numbered file holds. */
export interface Numbered<T> {
  readonly number: number
  readonly value: T
}

/**
 * Small files that survive a power cut, in a folder that is this machine's own. Failures are reported as notices, each kind once, and cost
 * only what was to be remembered.
 */
export class MemoryFiles {
  readonly #files: LocalFiles
  readonly #folder: string
  readonly #notice: (notice: Notice) => void
  readonly #reported = new Set<string>()

  /** Undefined where nothing is to be remembered, or where there is no filesystem. */
  static in(wanted: boolean | string | undefined, notice: (notice: Notice) => void): MemoryFiles | undefined {
    const { files } = runtime
    if (wanted === undefined || wanted === false || files === undefined) return undefined
    if (wanted === '') throw new TypeError('the folder of what is remembered must not be empty')
    return new MemoryFiles(files, wanted === true ? files.stateHome() : wanted, notice)
  }

  private constructor(files: LocalFiles, folder: string, notice: (notice: Notice) => void) {
    this.#files = files
    this.#folder = folder
    this.#notice = notice
  }

  /** What `parse` makes of a file; undefined where there is none, or where it is damaged. */
  read<T>(name: readonly string[], parse: (members: Members) => T | undefined): T | undefined {
    const path = this.#path(name)
    const bytes = this.#try(() => this.#files.read(path))
    if (bytes === undefined) return undefined
    const value = parse(membersOf(bytes))
    if (value === undefined)
      this.#report('memory-damaged', path, `what this machine remembers in ${path} is damaged, and not used`)
    return value
  }

  /** Writes a file that is there after a power cut, all or nothing. */
  write(name: readonly string[], members: Members): void {
    this.#try(() => this.#files.writeDurably(this.#path(name), [utf8(`${JSON.stringify(members)}\n`)]))
  }

  /** The file with the greatest number that can be read: one that was damaged leaves the one before it. */
  newest<T>(folder: readonly string[], parse: (members: Members) => T | undefined): Numbered<T> | undefined {
    // Another process may just have put later ones in the place of those that were listed.
    for (let tries = 0; tries < 3; tries++) {
      const numbers = this.#numbers(folder)
      for (const number of numbers) {
        const value = this.read([...folder, fileOf(number)], parse)
        if (value !== undefined) return { number, value }
      }
      if (numbers.length === 0) return undefined
    }
    return undefined
  }

  /**
   * Writes a numbered file, of which the greatest counts: of several processes that write at once none can set back what another wrote, and none
   * needs a lock. The one before it stays, in case that this one is damaged; `alone` removes all others, greater ones too.
   */
  put(folder: readonly string[], number: number, members: Members, how: { readonly alone: boolean }): void {
    const others = this.#numbers(folder).filter((each) => each !== number)
    this.write([...folder, fileOf(number)], members)
    const lesser = others.filter((each) => each < number)
    this.#remove(folder, how.alone ? others : lesser.slice(1))
  }

  /** Removes all numbered files of a folder. */
  clear(folder: readonly string[]): void {
    this.#remove(folder, this.#numbers(folder))
  }

  #remove(folder: readonly string[], numbers: readonly number[]): void {
    for (const number of numbers) this.#try(() => this.#files.remove(this.#path([...folder, fileOf(number)])))
  }

  #numbers(folder: readonly string[]): number[] {
    const found = this.#try(() => this.#files.list(this.#path(folder))) ?? []
    const numbers = found.flatMap(({ name }) => (/^\d{20}$/.test(name) ? [Number(name)] : []))
    return numbers.filter(Number.isSafeInteger).sort((a, b) => b - a)
  }

  #path(name: readonly string[]): string {
    return this.#files.join(this.#folder, ...name)
  }

  #try<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      const message = `what was seen of the store cannot be remembered in ${this.#folder}: ${(error as Error).message}`
      this.#report('memory-unusable', '', message)
      return undefined
    }
  }

  #report(code: Notice['code'], about: string, message: string): void {
    const key = `${code} ${about}`
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    this.#notice({ type: 'notice', code, message })
  }
}

/** A name for what is remembered about `what`, which may be any text. */
export function nameFor(what: string): string {
  return toHex(blake3(utf8(what)))
}

function fileOf(number: number): string {
  return String(number).padStart(20, '0')
}

/** None where it is no JSON object, or half of one. */
function membersOf(bytes: Uint8Array): Members {
  try {
    const found: unknown = JSON.parse(text(bytes))
    return typeof found === 'object' && found !== null ? { ...found } : {}
  } catch {
    return {}
  }
}
