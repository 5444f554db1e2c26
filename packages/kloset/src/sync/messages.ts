import type { SinkInit } from '../backup/chunk-sink.js'
import type { StoredReply } from '../backup/messages.js'
import type { Bytes } from '../bytes/index.js'
import type { ChunkSizes } from '../chunk/index.js'
import type { Codec } from '../compress/index.js'
import type { KeyMaterial } from '../crypto/index.js'
import type { SharedSession } from '../index/index.js'

/** What a synchronization's job in each worker starts from: the store that is written to, and the keys of the one that is read. */
export interface SyncInit extends SinkInit {
  readonly from: KeyMaterial
  /** How the store that is written to cuts. */
  readonly sizes: ChunkSizes
  /** Frames stored by one of these go on as they are. */
  readonly reused: readonly Codec[]
}

/** Frames of one pack, as they were read, and the chunks that are wanted of them. */
export interface FrameParts {
  readonly pack: Bytes
  /** The first bytes of the pack: its header. */
  readonly header: Bytes
  readonly bytes: Bytes
  /** Four numbers a frame: ordinal, where it is in `bytes`, sealed length, raw length. */
  readonly frames: Uint32Array
  /** Three numbers a chunk, by frame and offset: frame, offset in it, length. */
  readonly blobs: Uint32Array
  /** The id of each chunk. */
  readonly ids: Bytes
}

/** What can be asked of the job. */
export type SyncRequest =
  /** Verify chunks and store them as they are. */
  | ({ readonly op: 'resend'; readonly source: number } & FrameParts)
  /** Store chunks that are verified already. */
  | {
      readonly op: 'blobs'
      readonly source: number
      readonly bytes: Bytes
      readonly ids: Bytes
      readonly lengths: Uint32Array
    }
  /** Verify chunks and put each to its place in shared memory. */
  | ({ readonly op: 'fill'; readonly memory: SharedArrayBuffer; readonly places: Uint32Array } & FrameParts)
  /** Cut files that lie in a row from `at` on, and store their chunks. */
  | {
      readonly op: 'files'
      readonly source: number
      readonly memory: SharedArrayBuffer
      readonly at: number
      readonly lengths: Uint32Array
    }
  /** Find the cut points of a large file, of which this part starts where a chunk does. */
  | {
      readonly op: 'cut'
      readonly memory: SharedArrayBuffer
      readonly at: number
      readonly length: number
      /** Whether the file ends with this part. */
      readonly final: boolean
    }
  /** Store chunks that lie in a row from `at` on. */
  | {
      readonly op: 'chunks'
      readonly source: number
      readonly memory: SharedArrayBuffer
      readonly at: number
      readonly lengths: Uint32Array
    }

/** What the job is asked; with it may come memory of packs that are stored by now. */
export type SyncMessage = { readonly spare?: ArrayBuffer | undefined } & (
  | SyncRequest
  /** The session's table has grown. */
  | { readonly op: 'session'; readonly session: SharedSession }
  /** Seal what is open. */
  | { readonly op: 'flush' }
)

/** Chunks that are not what they should be, by their number in what was sent. */
export interface FillReply {
  readonly failed: readonly number[]
}

/** The answer to `resend`. */
export interface ResendReply extends StoredReply, FillReply {}
