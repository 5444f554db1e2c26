import { MalformedError, toHex } from '../../bytes/index.js'
import { createKeyring, type KeyMaterial, type Keyring } from '../../crypto/index.js'
import { type LocalFiles, runtime } from '../../runtime/index.js'
import type { Job, JobReply } from '../../runtime/jobs.js'
import { recordLength } from '../record.js'
import { decodeSegment } from '../segment.js'
import { SortedFile } from './sorted-file.js'
import { FileSource, SegmentSource, type SortedSource } from './sources.js'
import { sortedFile } from './write.js'

/** What a job that makes sorted files starts with. */
export interface SortInit {
  readonly material: KeyMaterial
  /** Where the files go. */
  readonly folder: string
  /** The position of the log whose segments these are. */
  readonly position: number
}

/** What it is asked. */
export type SortMessage =
  /** Takes a sealed segment. @throws KLOSET_INDEX_CORRUPT, KLOSET_VERSION */
  | { readonly op: 'segment'; readonly name: string; readonly bytes: Uint8Array }
  /** Writes what was taken; answers with all files that were written. */
  | { readonly op: 'flush' }
  /** Makes one file of several, and removes those; answers with the new one. */
  | { readonly op: 'merge'; readonly paths: readonly string[] }

/** A file that a job wrote. */
export interface WrittenFile {
  readonly path: string
  readonly records: number
}

/** Makes sorted files of segments. What it holds at once is bounded, however large the index is. */
export function createSortJob({ material, folder, position }: SortInit): Job {
  const { files } = runtime
  if (files === undefined) throw new TypeError('sorted files need a filesystem')
  return new SortJob(createKeyring(material), files, folder, position)
}

class SortJob implements Job {
  readonly #keyring: Keyring
  readonly #files: LocalFiles
  readonly #folder: string
  readonly #position: number
  readonly #written: WrittenFile[] = []
  #sources: SegmentSource[] = []
  #names: string[] = []
  #records = 0

  constructor(keyring: Keyring, files: LocalFiles, folder: string, position: number) {
    this.#keyring = keyring
    this.#files = files
    this.#folder = folder
    this.#position = position
  }

  handle(message: SortMessage): JobReply {
    switch (message.op) {
      case 'segment':
        return { value: this.#take(message.name, message.bytes) }
      case 'flush':
        this.#flush()
        return { value: this.#written.splice(0) }
      case 'merge':
        return { value: this.#merge(message.paths) }
      default:
        throw new TypeError(`unknown request ${(message satisfies never as SortMessage).op}`)
    }
  }

  #take(name: string, bytes: Uint8Array): void {
    const segment = decodeSegment(this.#keyring, name, bytes)
    this.#sources.push(new SegmentSource(segment))
    this.#names.push(name)
    this.#records += segment.records.length / recordLength
    if (this.#records >= mostGathered) this.#flush()
  }

  #flush(): void {
    if (this.#names.length > 0) this.#written.push(this.#write(this.#sources, this.#names))
    this.#sources = []
    this.#names = []
    this.#records = 0
  }

  #merge(paths: readonly string[]): WrittenFile {
    const open: SortedFile[] = []
    try {
      for (const path of paths) {
        const file = SortedFile.open(this.#keyring, path)
        if (file === undefined) throw new MalformedError(`${path} is gone`)
        open.push(file)
      }
      const covers = [...new Set(open.flatMap((file) => file.covers))]
      const sources = open.map((file) => new FileSource(file))
      const written = this.#write(sources, covers)
      for (const path of paths) this.#files.remove(path)
      return written
    } finally {
      for (const file of open) {
        file.close()
        if (file.damaged) this.#files.remove(file.path)
      }
    }
  }

  #write(sources: readonly SortedSource[], covers: readonly string[]): WrittenFile {
    const path = this.#files.join(this.#folder, toHex(runtime.randomBytes(16)))
    this.#files.write(path, sortedFile(this.#keyring, sources, { covers, position: this.#position }))
    return { path, records: sources.reduce((sum, { records }) => sum + records, 0) }
  }
}

/** Once so many records came together they are written: about 50 MB in memory. */
const mostGathered = 1024 * 1024
