import { toHex } from '../bytes/index.js'
import type { Call, Destination } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import type { StoredContent } from '../tree/index.js'
import type { Target } from './entries.js'
import type { RestoreReport } from './report.js'

/** Files that were one file with several names: the first is written, the others become links to it. */
export class HardLinks {
  readonly #destination: Destination
  readonly #report: RestoreReport
  readonly #call: Call
  readonly #first = new Map<string, { readonly path: string; left: number }>()
  readonly #others: { readonly target: Target; readonly to: string }[] = []

  constructor(destination: Destination, report: RestoreReport, call: Call) {
    this.#destination = destination
    this.#report = report
    this.#call = call
  }

  /** Whether a file is another name of one that was written: then it is made later. */
  takes(target: Target): boolean {
    const { inode, type } = target.stat
    if (type !== 'file' || inode === undefined || inode.links < 2 || this.#destination.link === undefined) return false
    // Names of one file whose contents were not the same when they were read stay two files.
    const key = `${inode.device}:${inode.number}:${contentKey(target.content)}`
    const first = this.#first.get(key)
    if (first === undefined) {
      this.#first.set(key, { path: target.path, left: inode.links - 1 })
      this.#report.follow(target.path)
      return false
    }
    // The last of its names: there are none to wait for.
    if (--first.left === 0) this.#first.delete(key)
    this.#others.push({ target, to: first.path })
    return true
  }

  /** Makes the links, when the files are written; `copy` writes one that cannot be linked. */
  async make(copy: (target: Target) => Promise<void>): Promise<void> {
    for (const { target, to } of this.#others.splice(0)) {
      this.#call.signal.throwIfAborted()
      // Where the first could not be written, what is under its name is something else.
      if (this.#report.hasFailed(to)) {
        await copy(target)
        continue
      }
      try {
        await this.#destination.link!(target.path, to, this.#call)
        this.#report.done(target.path, target.stat)
      } catch (error) {
        this.#call.signal.throwIfAborted()
        if (!isKlosetError(error)) throw error
        await copy(target)
      }
    }
  }
}

function contentKey(content: StoredContent): string {
  if (content.form === 'none') return ''
  if (content.form === 'list') return toHex(content.id)
  return content.extents.map(({ id, length }) => (id === undefined ? length : toHex(id))).join()
}
