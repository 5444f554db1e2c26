import type { Bytes } from '../bytes/index.js'
import type { LeftOut } from '../connector/index.js'
import type { KeyMaterial } from '../crypto/index.js'
import type { PostedError, PostedModule } from '../runtime/jobs.js'

/** What a restore's job in each worker starts from. */
export interface RestoreInit {
  readonly material: KeyMaterial
  readonly module: PostedModule
}

/** What the job is asked. Entries travel as records, see backup/records.ts. */
export type RestoreMessage =
  /** Make entries without content, in order: directories, symlinks, devices, empty files. */
  | { readonly op: 'make'; readonly records: Bytes }
  /** Open a file that several workers will write to. */
  | { readonly op: 'begin'; readonly record: Bytes }
  | FramesMessage
  /** End a file that several workers wrote to. */
  | { readonly op: 'settle'; readonly record: Bytes; readonly handle: string; readonly commit: boolean }
  /** Give directories their times and modes, in order. */
  | { readonly op: 'finish'; readonly records: Bytes }

/** Open frames of one pack and write what is in them. */
export interface FramesMessage {
  readonly op: 'frames'
  readonly pack: Bytes
  /** The first bytes of the pack: its header. */
  readonly header: Bytes
  /** The sealed frames, in one buffer. */
  readonly bytes: Uint8Array
  /** Four numbers a frame: ordinal, where it is in `bytes`, sealed length, raw length. */
  readonly frames: Uint32Array
  /** Records of the files concerned. */
  readonly files: Bytes
  /** The handle of a file that others write to as well; undefined where all of it is here. */
  readonly handles: readonly (string | undefined)[]
  /** Five numbers a piece, by frame: frame, file, offset in the frame, length, offset in the file. */
  readonly pieces: Float64Array
  /** The chunk id of each piece. */
  readonly ids: Bytes
}

/** In every answer: what the destination left out since the last one, with how often. */
export interface LeftOutReply {
  readonly leftOut?: readonly (readonly [LeftOut, number])[]
}

/** What went wrong, by the position of the entry in what was sent. */
export interface RestoreReply extends LeftOutReply {
  readonly failed: readonly { readonly at: number; readonly error: PostedError }[]
}

/** The answer to `begin`. */
export interface BeginReply extends LeftOutReply {
  readonly handle: string
}

/** Read files and compare what is in them with the chunks that should be. */
export interface CompareMessage {
  /** Records of the files. */
  readonly files: Bytes
  /** {@link compareNumbers} numbers a piece, by file: file, offset in the file, length, and 1 where it should be a hole. */
  readonly pieces: Float64Array
  /** The chunk id of each piece; of holes, zeros. */
  readonly ids: Bytes
}

/** How many numbers there are of a piece in a {@link CompareMessage}. */
export const compareNumbers = 4

/** What became of a comparison, by the position of the file in what was sent. */
export interface CompareReply {
  readonly differ: number[]
  /** Those that could not be read. */
  readonly failed: { readonly at: number; readonly error: PostedError }[]
}
