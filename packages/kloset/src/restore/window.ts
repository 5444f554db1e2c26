import type { Bytes } from '../bytes/index.js'
import { toHex } from '../bytes/index.js'
import { KlosetError } from '../errors.js'
import type { FrameRef, IndexTable } from '../index/index.js'
import type { Target } from './entries.js'

/** A file being restored, from its first piece to its last. */
export interface FileState {
  readonly target: Target
  /** Set once several requests write to it. */
  handle: string | undefined
  failed: boolean
}

/** A run of a file's bytes and where it is stored. */
export interface Piece {
  readonly file: FileState
  readonly frame: FrameRef
  readonly offset: number
  readonly length: number
  readonly at: number
  readonly id: Uint8Array
}

/** Frames of one pack that are read with one request, and the pieces in them. */
export interface Request {
  readonly pack: Bytes
  /** Bytes of the pack's file to read. */
  readonly from: number
  readonly to: number
  readonly frames: readonly FrameRef[]
  readonly pieces: readonly Piece[]
  readonly files: readonly FileState[]
}

/** Frames this near to each other are read together: the bytes between cost less than another request. */
const gap = 128 * 1024

/** A request reads at most about so many sealed bytes. */
const requestBytes = 4 * 1024 * 1024

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
    const pieces = this.#pieces
      .filter(({ file }) => !file.failed)
      .sort((a, b) => a.frame.number - b.frame.number || a.offset - b.offset)
    const requests: Request[] = []
    for (let i = 0; i < pieces.length; ) {
      const first = pieces[i]!.frame
      const start = i
      let last = first
      const frames: FrameRef[] = []
      for (; i < pieces.length; i++) {
        const { frame } = pieces[i]!
        if (frames.length > 0 && frame.number === last.number) continue
        if (frames.length > 0 && !joins(first, last, frame)) break
        frames.push(frame)
        last = frame
      }
      const mine = pieces.slice(start, i)
      const files = [...new Set(mine.map(({ file }) => file))]
      requests.push({
        pack: first.pack,
        from: first.offset,
        to: last.offset + last.sealedLength,
        frames,
        pieces: mine,
        files,
      })
    }
    return requests
  }
}

function joins(first: FrameRef, last: FrameRef, next: FrameRef): boolean {
  // Frames of a pack are numbered in a row: another pack has a jump in ordinals, offsets or both.
  if (next.number - last.number !== next.ordinal - last.ordinal || next.offset <= last.offset) return false
  const end = next.offset + next.sealedLength
  return next.offset - (last.offset + last.sealedLength) <= gap && end - first.offset <= requestBytes
}
