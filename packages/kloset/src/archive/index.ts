import type { ArchiveOptions, ArchiveResult } from '../api.js'
import type { Bytes } from '../bytes/index.js'
import type { Call } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { type Target, targetsOf } from '../restore/entries.js'
import { fileOf } from '../restore/links.js'
import { RestoreReport } from '../restore/report.js'
import { isUnlisted, neverListed, neverStored } from '../restore/restoring.js'
import type { Selection } from '../restore/selected.js'
import { selectionOf } from '../restore/selection.js'
import { withXattrs } from '../restore/xattrs.js'
import type { StoredSnapshot } from '../snapshot/index.js'
import type { OpenedStore } from '../store/opened.js'
import { Blocks } from './blocks.js'
import { type Step, type Wanted, withContent } from './contents.js'
import { type ArchiveFormat, isText, type Member } from './format.js'
import { gzipped } from './gzip.js'
import { tarFormat } from './tar.js'
import { zipFormat } from './zip.js'

/** The bytes of an archive of a snapshot, or of what is at and below a path of it; then what became of it. */
export async function* archive(
  store: OpenedStore,
  snapshot: StoredSnapshot,
  options: ArchiveOptions,
  call: Call,
): AsyncGenerator<Bytes, ArchiveResult, undefined> {
  const { format = 'tar' } = options
  const writer = new ArchiveWriter(store, snapshot, format === 'zip' ? zipFormat() : tarFormat(), options, call)
  yield* format === 'tar.gz' ? gzipped(writer.bytes()) : writer.bytes()
  return writer.result
}

class ArchiveWriter {
  readonly #store: OpenedStore
  readonly #snapshot: StoredSnapshot
  readonly #format: ArchiveFormat
  readonly #selection: Selection
  readonly #call: Call
  readonly #report: RestoreReport
  // Paths of files with several names, as far as these are to be links to one that is written.
  readonly #first = new Map<string, { readonly path: string; left: number }>()
  readonly #failed = new Set<string>()
  #open: { readonly member: Member; left: number } | undefined

  constructor(
    store: OpenedStore,
    snapshot: StoredSnapshot,
    format: ArchiveFormat,
    options: ArchiveOptions,
    call: Call,
  ) {
    this.#store = store
    this.#snapshot = snapshot
    this.#format = format
    this.#selection = selectionOf(snapshot, options)
    this.#call = call
    this.#report = new RestoreReport(options, format)
  }

  get result(): ArchiveResult {
    const { failed, failedCount, leftOut, totals, elapsed } = this.#report
    return { failed, failedCount, leftOut, totals, duration: elapsed }
  }

  async *bytes(): AsyncGenerator<Bytes> {
    const report = this.#report
    const { path, patterns } = this.#selection
    const { files, directories, others, bytes } = await this.#snapshot.totalsOf(path)
    // With patterns, only going through it can tell.
    if (patterns === undefined) report.total = { entries: files + directories + others, bytes }
    const told = (read: number): void => {
      report.read += read
    }
    const blocks = new Blocks()
    for await (const step of withContent(this.#store, this.#wanted(), told, this.#call)) {
      this.#call.signal.throwIfAborted()
      yield* blocks.add(this.#said(step))
    }
    yield* blocks.add(this.#format.finish())
    yield blocks.rest()
    report.phase = 'done'
    report.tell(true)
  }

  /** What is to be in the archive, in path order. */
  async *#wanted(): AsyncGenerator<Wanted> {
    for await (const item of targetsOf(this.#snapshot, this.#selection, this.#format.capabilities.names)) {
      if ('error' in item) yield item
      else if (item.stat.type === 'file' && item.content.form === 'none')
        yield { path: item.path, error: neverStored(item) }
      else if (item.stat.type === 'socket') this.#report.leave('sockets')
      else if (this.#report.takes(item.stat)) {
        yield await this.#asWanted(item)
        if (isUnlisted(item)) yield { path: item.path, error: neverListed(item) }
      }
    }
  }

  async #asWanted(target: Target): Promise<Wanted> {
    if (!this.#format.anyBytes && !isText(target.path)) this.#report.leave('names')
    const file = fileOf(target)
    if (file !== undefined) {
      const first = this.#first.get(file.key)
      if (first === undefined) this.#first.set(file.key, { path: target.path, left: file.links - 1 })
      else {
        // The last of its names: there are none to wait for.
        if (--first.left === 0) this.#first.delete(file.key)
        if (this.#format.links) return { target, linkTo: first.path }
        this.#report.leave('links')
      }
    }
    if (!this.#format.capabilities.keeps.includes('xattrs')) return { target }
    return { target: await withXattrs(target, this.#store, this.#report, this.#call) }
  }

  #said(step: Step): readonly Bytes[] {
    const report = this.#report
    switch (step.kind) {
      case 'failed':
        this.#failed.add(step.path)
        report.fail(step.path, step.error)
        return []
      case 'whole': {
        const { target, linkTo, content } = step
        if (linkTo !== undefined && this.#failed.has(linkTo)) {
          report.fail(target.path, lostWith(target.path, linkTo))
          return []
        }
        report.done(target.path, linkTo === undefined ? target.stat : { ...target.stat, size: 0 })
        return this.#format.whole({ ...target, linkTo }, content)
      }
      case 'begin':
        this.#open = { member: step.target, left: step.target.stat.size ?? 0 }
        return this.#format.begin(step.target)
      case 'part':
        this.#open!.left -= step.bytes.length
        return this.#format.part(step.bytes)
      case 'end': {
        const { member, left } = this.#open!
        if (left !== 0)
          throw new KlosetError('KLOSET_TREE_CORRUPT', `${member.path} has another length than its list says`)
        report.done(member.path, member.stat)
        return this.#format.end()
      }
      default:
        throw new TypeError(`unknown step ${(step satisfies never as Step).kind}`)
    }
  }
}

function lostWith(path: string, first: string): KlosetError {
  return new KlosetError('KLOSET_PATH_NOT_FOUND', `it is the same file as ${first}, which could not be read`, {
    context: { path },
  })
}
