import type { Difference, Snapshot, SnapshotEntry } from 'kloset'
import { pathFromBytes, pathToBytes } from 'kloset/connector'
import type { Output } from './output.js'
import { harmless } from './render/names.js'
import { type PatchSide, patchOf, textOf } from './render/patch.js'

/** How differences are shown line by line. */
export interface PatchSettings {
  /** Lines around each change. */
  readonly context: number
  /** Bytes of a file that is looked into. */
  readonly limit: number
}

/** Writes differences as patches: exactly, or harmless where they go to a terminal. */
export class Patches {
  /** Files that were not looked into, because they are larger than the limit. */
  tooLarge = 0
  readonly #before: Snapshot
  readonly #after: Snapshot
  readonly #settings: PatchSettings
  readonly #output: Output

  constructor(before: Snapshot, after: Snapshot, settings: PatchSettings, output: Output) {
    this.#before = before
    this.#after = after
    this.#settings = settings
    this.#output = output
  }

  /** Writes what can be said of a difference, between entries that are called so. */
  async write({ change, before, after }: Difference, names: readonly [before: string, after: string]): Promise<void> {
    // Of what became another kind of thing, the one is removed and the other added.
    if (before && after && before.type !== after.type) {
      await this.#write(await this.#side(this.#before, before, names[0]), undefined)
      await this.#write(undefined, await this.#side(this.#after, after, names[1]))
      return
    }
    const same = change === 'metadata' || change === 'renamed'
    const [old, now] = [
      before && (await this.#side(this.#before, before, names[0], same)),
      after && (await this.#side(this.#after, after, names[1], same)),
    ]
    if (!same || old?.mode !== now?.mode || old?.name !== now?.name) await this.#write(old, now)
  }

  async #write(before: PatchSide | undefined, after: PatchSide | undefined): Promise<void> {
    if (before === undefined && after === undefined) return
    for (const line of patchOf(before, after, this.#settings.context)) {
      await this.#output.write(this.#output.terminal ? this.#forEyes(line) : Buffer.from(`${line}\n`, 'latin1'))
    }
  }

  /** What a patch says of an entry; nothing of folders, sockets and devices. */
  async #side(snapshot: Snapshot, entry: SnapshotEntry, path: string, same = false): Promise<PatchSide | undefined> {
    const name = exact(path)
    if (entry.type === 'symlink') return { name, mode: '120000', text: exact(entry.target ?? '') }
    if (entry.type !== 'file') return undefined
    const mode = ((entry.mode ?? 0) & 0o111) === 0 ? '100644' : '100755'
    // Nothing has to be read to see that there is nothing to show.
    if (same) return { name, mode, text: '' }
    if (entry.contentSize === undefined) return { name, mode, text: undefined }
    if (entry.contentSize > this.#settings.limit) {
      this.tooLarge++
      return { name, mode, text: undefined }
    }
    return { name, mode, text: textOf(await (await snapshot.open(entry)).bytes()) }
  }

  #forEyes(line: string): string {
    const text = pathFromBytes(Buffer.from(line, 'latin1')).split('\t').map(harmless).join('\t')
    const { bold, green, red } = this.#output.colors
    const style = line.startsWith('+')
      ? green
      : line.startsWith('-')
        ? red
        : /^(?:@@|diff )/.test(line)
          ? bold
          : undefined
    return `${style ? style(text) : text}\n`
  }
}

/** Each byte of a path as one character. */
function exact(path: string): string {
  return Buffer.from(pathToBytes(path)).toString('latin1')
}
