import { toHex } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import type { IndexTable } from '../index/index.js'
import { gap, type PackRead, type Placed, planReads } from '../store/reads.js'
import type { Target } from './entries.js'

/** A file being restored, from its first piece to its last. */
export interface FileState {
  readonly target: Target
  /** Set once several requests write to it. */
  handle: string | undefined
  failed: boolean
}

/** A run of a file's bytes and where it is stored. */
export interface Piece extends Placed {
  readonly file: FileState
  readonly length: number
  readonly at: number
  readonly id: Uint8Array
}

/** Frames of one pack that are read with one request, the pieces in them, and their files. */
export interface Request extends PackRead<Piece> {
  readonly files: readonly FileState[]
}

/** A request reads at most about so many sealed bytes. */
const requestBytes = 4 * 1024 * 1024

/** What hardly any request is longer than, with the start of its pack that may come with it. */
export const mostRead: number = requestBytes + gap

/** Gathers what has to be written until it is worth planning, so that each frame is read once however often it is needed. */
export class Window {
  /** Files with pieces in this window. */
  readonly files: FileState[] = []
  /** Those of them that need nothing after it. */
  readonly complete: Set<FileState> = new Set()
  readonly #pieces: Piece[] = []
  readonly #index: IndexTable
  bytes = 0

  constructor(index: IndexTable) {
    this.#index = index
  }

  addFile(file: FileState): void {
    this.files.push(file)
  }

  /** @throws KLOSET_CHUNK_MISSING */
  addPiece(file: FileState, id: Uint8Array, length: number, at: number): void {
    const place = this.#index.locate(id)
    if (place === undefined || place.length !== length) {
      throw new KlosetError('KLOSET_CHUNK_MISSING', `the store does not have all of ${file.target.path}`, {
        context: { path: file.target.path, id: toHex(id) },
        hint: 'Check the store; another copy of it may still have the missing part.',
      })
    }
    this.#pieces.push({ file, frame: place.frame, offset: place.offset, length, at, id })
    this.bytes += length
  }

  /** What to read, in the order of packs and frames. */
  requests(): Request[] {
    const pieces = this.#pieces.filter(({ file }) => !file.failed)
    return planReads(pieces, requestBytes).map((read) => ({
      ...read,
      files: [...new Set(read.wanted.map(({ file }) => file))],
    }))
  }
}
