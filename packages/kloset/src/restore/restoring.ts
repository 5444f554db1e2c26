import type { Call, Destination, Entry } from '../connector/index.js'
import { KlosetError } from '../errors.js'
import { nextTurn } from '../runtime/system.js'
import type { OpenedStore } from '../store/opened.js'
import { encodeStat } from '../tree/index.js'
import { type Comparer, startComparing } from './comparing.js'
import { Current } from './current.js'
import { isBelow, type Refused, type Target } from './entries.js'
import { HardLinks } from './links.js'
import type { Overwriting, Verdict } from './overwrite.js'
import type { ProtectedPaths } from './protecting.js'
import type { RestoreReport } from './report.js'
import type { Writer } from './writers.js'
import { withXattrs } from './xattrs.js'

/** After how many entries the event loop has a turn. */
const turnEvery = 256

/** So many entries at most wait for files to be compared. */
const mostWaiting = 4_096

/** What a {@link Restoring} works with. */
export interface RestoringParts {
  readonly store: OpenedStore
  readonly destination: Destination
  /** What to do with what is there; undefined where nothing is, or all is written anyway. */
  readonly overwriting: Overwriting | undefined
  /** Directories that will be deleted before {@link Restoring.fillPlaces}, so that something takes their place. */
  readonly clears: ReadonlySet<string> | undefined
  readonly protects: ProtectedPaths
  readonly dryRun: boolean
  readonly writer: Writer
  readonly report: RestoreReport
  readonly call: Call
}

/** Goes through what is to be restored beside what is there, and has written what the policy says. */
export class Restoring {
  readonly #parts: RestoringParts
  readonly #links: HardLinks
  readonly #current: Current | undefined
  #comparer: Comparer | undefined
  // Something that is kept and is not a directory, so that nothing can be below it.
  #blocked: string | undefined
  // Entries that wait until the files among them are compared.
  #waiting: Met[] = []
  // Directories whose content the snapshot does not know.
  readonly #unlisted: Target[] = []
  // What takes the place of directories that are deleted first.
  readonly #deferred: Target[] = []

  constructor(parts: RestoringParts) {
    const { destination, overwriting, report, call } = parts
    this.#parts = parts
    this.#links = new HardLinks(destination, report, call)
    if (overwriting !== undefined) this.#current = new Current(destination.current!, call)
  }

  /** Writes all but what has to wait for something else. */
  async write(batches: AsyncIterable<Iterable<Target | Refused>>): Promise<void> {
    const { report, call, protects } = this.#parts
    let count = 0
    for await (const batch of batches) {
      for (const item of batch) {
        // Planning is faster than writing, and all on this thread: what is planned already must not wait for the rest.
        if (++count % turnEvery === 0) await nextTurn()
        call.signal.throwIfAborted()
        const { path } = item
        const kept = protects.above(path)
        if (kept !== undefined) report.protect(path, kept)
        else if ('error' in item) report.fail(path, item.error)
        else if (this.#blocked !== undefined && isBelow(path, this.#blocked))
          report.fail(path, belowKept(item, this.#blocked))
        else if (item.stat.type === 'file' && item.content.form === 'none') report.fail(path, neverStored(item))
        else if (report.takes(item.stat)) {
          if (isUnlisted(item)) this.#unlisted.push(item)
          const wait = this.#current === undefined ? this.#write(item) : this.#meet(item, this.#current)
          if (wait !== undefined) await wait
        }
      }
    }
    await this.#compare()
    await this.#parts.writer.flush()
  }

  /** Decides about an entry by what is under its path. */
  async #meet(target: Target, current: Current): Promise<void> {
    const there = await current.at(target.path)
    const verdict = this.#parts.overwriting!.verdict(there, target.stat)
    if (verdict === 'keep' && target.stat.type === 'directory') this.#blocked = target.path
    await this.#take({ target, there, verdict })
  }

  /** Writes what takes the place of directories, which were deleted meanwhile. */
  async fillPlaces(): Promise<void> {
    for (const target of this.#deferred.splice(0)) await this.#write(target)
    await this.#parts.writer.flush()
  }

  /** Gives up what would take the place of directories: they stay. */
  leavePlaces(): void {
    for (const target of this.#deferred.splice(0)) this.#parts.report.fail(target.path, inTheWay(target))
  }

  /** Makes hard links, and gives directories their times. */
  async finish(): Promise<void> {
    const { writer, destination, dryRun, call } = this.#parts
    await this.#links.make(
      async (path, to) => (dryRun ? undefined : destination.link!(path, to, call)),
      async (target) => writer.add(target),
    )
    await writer.finish()
    // Not before: that something was never in the snapshot is no reason to keep what is to be deleted elsewhere.
    for (const target of this.#unlisted) this.#parts.report.fail(target.path, neverListed(target))
  }

  async close(): Promise<void> {
    await this.#current?.close()
    await this.#comparer?.close()
  }

  async #take(met: Met): Promise<void> {
    if (met.verdict !== 'compare' && this.#waiting.length === 0) {
      await this.#carryOut(met)
      return
    }
    this.#waiting.push(met)
    if (this.#waiting.length >= mostWaiting) await this.#compare()
  }

  /** Compares the files that wait for it, and carries out everything that waits. */
  async #compare(): Promise<void> {
    const { store, destination, call, overwriting } = this.#parts
    const waiting = this.#waiting
    this.#waiting = []
    const files = waiting.filter(({ verdict }) => verdict === 'compare').map(({ target }) => target)
    if (files.length === 0) return
    this.#comparer ??= await startComparing(store, destination.current!, call)
    const unlike = await this.#comparer.unlike(files)
    for (const met of waiting) {
      const { target, there, verdict } = met
      if (verdict !== 'compare') await this.#carryOut(met)
      // What cannot be read cannot be right.
      else if (unlike.has(target)) await this.#carryOut({ target, there, verdict: 'write' })
      else await this.#carryOut({ target, there, verdict: overwriting!.withRightContent(there!, target.stat) })
    }
  }

  async #carryOut({ target, there, verdict }: Met): Promise<void> {
    const { report, writer, clears } = this.#parts
    switch (verdict) {
      case 'write':
        return this.#write(target)
      case 'keep':
        return report.keep(target.path)
      case 'merge':
        report.keepMetadata(target.path)
        return writer.add(withoutMetadata(target))
      case 'blocked':
        if (clears?.has(target.path) === true) this.#deferred.push(target)
        else report.fail(target.path, inTheWay(target))
        return
      case 'same':
      case 'metadata': {
        const became = this.#links.meets(target, there!)
        if (became === 'alone' && verdict === 'metadata') await this.#mend(target)
        else if (became !== 'made') report.skip(target.path)
        return
      }
      default:
        throw new TypeError(`nothing can be done that is ${verdict satisfies 'compare'}`)
    }
  }

  #write(target: Target): void | Promise<void> {
    return this.#links.takes(target) ? undefined : this.#parts.writer.add(target)
  }

  /** Gives a file whose content is right its mode, owner and times. */
  async #mend(target: Target): Promise<void> {
    const { store, destination, dryRun, report, call } = this.#parts
    const { path } = target
    try {
      if (!dryRun) {
        const { stat } = await withXattrs(target, store, report, call)
        await destination.finish!({ ...stat, path }, report.making(call))
      }
      report.mend(path)
    } catch (error) {
      call.signal.throwIfAborted()
      report.fail(path, error)
    }
  }
}

/** An entry to restore, what is under its path, and what becomes of it. */
interface Met {
  readonly target: Target
  readonly there: Entry | undefined
  readonly verdict: Verdict
}

/** A directory that is there keeps what it has. */
function withoutMetadata(target: Target): Target {
  const stat = { type: target.stat.type }
  return { ...target, stat, encoded: encodeStat(stat) }
}

/** Why a file that the snapshot has is not there. */
export function neverStored({ path, stat }: Target): KlosetError {
  return new KlosetError('KLOSET_PATH_NOT_FOUND', 'it could not be read when the backup was made', {
    context: { path },
    hint: stat.error === undefined ? '' : `The reason then was: ${stat.error.message}`,
  })
}

/** Whether a directory could not be listed when the backup was made, so that what was in it is not known. */
export function isUnlisted({ stat }: Target): boolean {
  return stat.type === 'directory' && stat.error !== undefined
}

/** Why what was in a directory is not there: an empty one would look as if that were all. */
export function neverListed({ path, stat }: Target): KlosetError {
  return new KlosetError('KLOSET_PATH_NOT_FOUND', 'what is in it could not be listed when the backup was made', {
    context: { path },
    hint: stat.error === undefined ? '' : `The reason then was: ${stat.error.message}`,
  })
}

function belowKept({ path }: Target, blocked: string): KlosetError {
  return new KlosetError('KLOSET_EXISTS', `${blocked} is there already and is not a directory`, {
    context: { path },
    hint: 'It was left as it is, as the overwrite policy says, so nothing could be restored below it.',
  })
}

function inTheWay({ path }: Target): KlosetError {
  return new KlosetError('KLOSET_EXISTS', `a directory is where ${path} should be`, {
    context: { path },
    hint: 'Move the directory away, or restore with --delete.',
  })
}
