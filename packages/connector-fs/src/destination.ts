import { realpathSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type Call,
  type Content,
  type Destination,
  type Entry,
  type Kept,
  KlosetError,
  type Making,
  type Source,
  type WorkerModule,
} from 'kloset/connector'
import { CurrentSource } from './current.js'
import { fsError, isAbsent, systemCode } from './errors.js'
import { acceptsName } from './folders.js'
import { removeLeftovers } from './leftovers.js'
import { type SystemPath, splitPath } from './local.js'
import { makeFolders } from './make-folders.js'
import { finishEntry, makeEntry, makeLink } from './making.js'
import { givesOwners } from './metadata.js'
import { native } from './native.js'
import { notEmpty } from './not-empty.js'
import { createOutput } from './output.js'
import { Protected, protectedBelow } from './protected.js'
import { siteOf, workerModule } from './sides.js'
import { defaultSettings, type RestoreSettings, type Site } from './site.js'
import { fsSource } from './source.js'

/** How a {@link fsDestination} is opened. */
export interface FsDestinationOptions extends Partial<RestoreSettings> {
  /** `write` wants the folder to be there. Default `create`. */
  readonly mode?: 'write' | 'create'
}

/**
 * Restores into a folder. Nothing is written outside of it, nor through a symbolic link in it, whatever the paths say; a file
 * appears under its name only when it is whole. Owners are given by name where the name is known here, else by number, and only by root, as
 * are devices and some attributes: the rest comes back without them, and it is told what was left out. Times are exact to the
 * nanosecond with the optional package koffi, to the microsecond without. Files are not synced to the disk one by one: the
 * system writes them when it sees fit. What restores that were killed left half-written in a folder is removed when that is restored into.
 * @throws KLOSET_NOT_FOUND where there is no folder and `mode` is `write`.
 */
export async function fsDestination(path: string, options: FsDestinationOptions = {}): Promise<Destination> {
  const folder = resolve(notEmpty(path))
  try {
    if (options.mode !== 'write') await makeFolders(folder)
    // A root behind a link is meant; from here on links are not followed.
    const root = realpathSync(folder)
    const { mode, ...given } = options
    const settings = { ...defaultSettings, ...given }
    const like = await fsSource(root, { xattrs: false })
    const site = siteOf({ root, settings })
    if (mode !== 'write') removeLeftovers(site.folders.folder('')!)
    return new FsDestination(site, like)
  } catch (error) {
    throw fsError(error, 'restore into', folder)
  }
}

class FsDestination implements Destination {
  readonly capabilities: Destination['capabilities']
  readonly #like: Source
  readonly #site: Site

  /** `like` is a source of the same folder. */
  constructor(site: Site, like: Source) {
    this.#like = like
    this.#site = site
    const groups = new Set([process.getegid?.(), ...(process.getgroups?.() ?? [])])
    this.capabilities = {
      keeps: kept(),
      givesOwner(owner) {
        const [user, group] = [site.owners.user(owner), site.owners.group(owner)]
        return (user === undefined || user === process.geteuid?.()) && (group === undefined || groups.has(group))
      },
      order: 'any',
      // The calls are synchronous here: more at once would not be faster.
      concurrency: 1,
      names: {
        caseSensitive: process.platform !== 'win32' && process.platform !== 'darwin',
        maxBytes: 255,
        accepts: acceptsName,
      },
    }
  }

  get worker(): WorkerModule {
    const { folders, settings } = this.#site
    const { root, descriptor, protects } = folders
    return workerModule({ role: 'destination', root, settings, descriptor, protects: protects?.data })
  }

  get current(): Source {
    return new CurrentSource(this.#site.folders, this.#like, this.worker)
  }

  async protect(paths: readonly string[]): Promise<readonly string[]> {
    const { folders } = this.#site
    const data = protectedBelow(folders.root, paths)
    folders.protect(new Protected(data))
    return data.paths
  }

  async create(entry: Entry, how: Making): Promise<void> {
    how.signal.throwIfAborted()
    makeEntry(this.#siteFor(how), entry)
  }

  async write(entry: Entry, content: Content, how: Making): Promise<void> {
    const { signal } = how
    signal.throwIfAborted()
    const site = this.#siteFor(how)
    // Here holes come as zeros: a file must not grow by terabytes because of that.
    const holes = site.settings.holes === 'none' ? 'none' : 'make'
    const output = createOutput({ ...site, settings: { ...site.settings, holes } }, { ...entry, size: content.size })
    try {
      let at = 0
      for await (const bytes of content) {
        signal.throwIfAborted()
        output.write(bytes, at)
        at += bytes.length
      }
      signal.throwIfAborted()
      if (at !== content.size) throw cutShort(entry.path, at, content.size)
    } catch (error) {
      output.abort()
      throw error
    }
    output.commit()
  }

  async link(path: string, to: string, { signal }: Call): Promise<void> {
    signal.throwIfAborted()
    makeLink(this.#site.folders, path, to)
  }

  async finish(entry: Entry, how: Making): Promise<void> {
    how.signal.throwIfAborted()
    finishEntry(this.#siteFor(how), entry)
  }

  async remove(paths: readonly string[], { signal }: Call): Promise<void> {
    for (const path of paths) {
      signal.throwIfAborted()
      try {
        const place = this.#find(path)
        if (place !== undefined) remove(place, path)
      } catch (error) {
        throw fsError(error, 'remove', path)
      }
    }
    this.#site.folders.forget()
  }

  async rename(from: string, to: string, { signal }: Call): Promise<void> {
    signal.throwIfAborted()
    try {
      const place = this.#find(from)
      if (place === undefined)
        throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${from}`, { context: { path: from } })
      renameSync(place, this.#site.folders.place(to))
    } catch (error) {
      throw fsError(error, 'rename', from)
    }
    this.#site.folders.forget()
  }

  async close(): Promise<void> {
    this.#site.folders.close()
    await this.#like.close()
  }

  #find(path: string): SystemPath | undefined {
    return this.#site.folders.find(path)?.at(splitPath(path).name)
  }

  /** What is left out is told to whoever called. */
  #siteFor({ leftOut = () => undefined }: Making): Site {
    return { ...this.#site, leftOut }
  }
}

function kept(): Kept[] {
  const kept: Kept[] = ['directories', 'symlinks', 'mode', 'mtime', 'holes']
  if (native()) kept.push('special', 'xattrs')
  if (givesOwners()) kept.push('owner')
  if (native() && givesOwners()) kept.push('devices')
  return kept
}

function remove(place: SystemPath, path: string): void {
  try {
    unlinkSync(place)
  } catch (error) {
    if (isAbsent(error)) return
    // What Linux answers for a folder, and what others do.
    if (systemCode(error) !== 'EISDIR' && systemCode(error) !== 'EPERM') throw error
    removeFolder(place, path)
  }
}

function removeFolder(place: SystemPath, path: string): void {
  try {
    rmdirSync(place)
  } catch (cause) {
    // EEXIST is how some systems say it.
    if (systemCode(cause) !== 'ENOTEMPTY' && systemCode(cause) !== 'EEXIST') throw cause
    throw new KlosetError('KLOSET_EXISTS', `${path} is not empty, so it was not removed`, {
      context: { path },
      hint: 'Something was put into it meanwhile, or something in it could not be removed.',
      cause,
    })
  }
}

function cutShort(path: string, length: number, size: number): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the content of ${path} ended after ${length} of ${size} bytes`, {
    context: { path },
  })
}
