import { toHex } from '../bytes/index.js'
import type { Call, Destination, Entry } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import type { StoredContent } from '../tree/index.js'
import type { Target } from './entries.js'
import type { RestoreReport } from './report.js'

/** Names of one file, link or device: the first is written or there already, the others become links to it. */
export class HardLinks {
  readonly #can: boolean
  readonly #report: RestoreReport
  readonly #call: Call
  readonly #first = new Map<string, Original>()
  readonly #others: { readonly target: Target; readonly to: string }[] = []

  constructor(destination: Destination, report: RestoreReport, call: Call) {
    this.#can = destination.link !== undefined
    this.#report = report
    this.#call = call
  }

  /** Whether a file is another name of one that was met before: then it is made later. */
  takes(target: Target): boolean {
    const original = this.#meet(target, undefined)
    if (original === undefined) return false
    this.#others.push({ target, to: original.path })
    return true
  }

  /**
   * What becomes of a file that is there and right: `linked`, where it is a name of the file it should be a name of; `alone`, where it is the
   * first of its names or the only one; `made`, where it will be made a link.
   */
  meets(target: Target, there: Entry): 'linked' | 'alone' | 'made' {
    const number = there.inode && `${there.inode.device}:${there.inode.number}`
    const original = this.#meet(target, number)
    if (original === undefined) return 'alone'
    if (number !== undefined && original.number === number) return 'linked'
    this.#others.push({ target, to: original.path })
    return 'made'
  }

  /** Makes the links, when the files are written, with `link`; `copy` writes one that cannot be linked. */
  async make(
    link: (path: string, to: string) => Promise<void>,
    copy: (target: Target) => Promise<void>,
  ): Promise<void> {
    for (const { target, to } of this.#others.splice(0)) {
      this.#call.signal.throwIfAborted()
      // Where the first could not be written, what is under its name is something else.
      if (this.#report.hasFailed(to)) {
        await copy(target)
        continue
      }
      try {
        await link(target.path, to)
        this.#report.done(target.path, target.stat)
      } catch (error) {
        this.#call.signal.throwIfAborted()
        if (!isKlosetError(error)) throw error
        await copy(target)
      }
    }
  }

  /** The first name of a file, where this is not it. `number` tells which file is there now, where that one stays. */
  #meet(target: Target, number: string | undefined): Original | undefined {
    const file = fileOf(target)
    if (file === undefined || !this.#can) return undefined
    const { path } = target
    const { key, links } = file
    const original = this.#first.get(key)
    if (original === undefined) {
      this.#first.set(key, { path, left: links - 1, number })
      this.#report.follow(path)
      return undefined
    }
    // The last of its names: there are none to wait for.
    if (--original.left === 0) this.#first.delete(key)
    return original
  }
}

/** The first name of a file. */
interface Original {
  readonly path: string
  /** How many more names there are. */
  left: number
  /** Which file of the destination it is; undefined where it is written anew. */
  readonly number: string | undefined
}

/** What all names of one file have in common; undefined for what has one name only. */
export function fileOf({
  stat: { type, inode },
  content,
}: Target): { readonly key: string; readonly links: number } | undefined {
  if (type === 'directory' || inode === undefined || inode.links < 2) return undefined
  // Names of one file whose contents were not the same when they were read stay two files.
  return { key: `${type}:${inode.device}:${inode.number}:${contentKey(content)}`, links: inode.links }
}

function contentKey(content: StoredContent): string {
  if (content.form === 'none') return ''
  if (content.form === 'list') return toHex(content.id)
  return content.extents.map(({ id, length }) => (id === undefined ? length : toHex(id))).join()
}
