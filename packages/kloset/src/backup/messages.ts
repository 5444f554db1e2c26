import type { Bytes } from '../bytes/index.js'
import type { ChunkSizes } from '../chunk/index.js'
import type { SharedSession } from '../index/index.js'
import type { PostedError, PostedModule } from '../runtime/jobs.js'
import type { SinkInit } from './chunk-sink.js'
import type { Exclusions } from './filtering.js'

/** What a backup's job in each worker starts from. */
export interface BackupInit extends SinkInit {
  readonly sizes: ChunkSizes
  /** A module for each source that has one. */
  readonly modules: readonly (PostedModule | undefined)[]
}

/** What the job is asked; with it may come memory of packs that are stored by now. */
export type BackupMessage = { readonly spare?: ArrayBuffer | undefined } & BackupRequest

/** What can be asked of the job. */
export type BackupRequest =
  /** Read, cut and store whole files. */
  | { readonly op: 'files'; readonly source: number; readonly records: Bytes }
  /** Find the cut points of a large file from an offset that is one. */
  | {
      readonly op: 'cut'
      readonly source: number
      readonly record: Bytes
      readonly from: number
      readonly budget: number
    }
  /** Read and store chunks of a large file. */
  | {
      readonly op: 'range'
      readonly source: number
      readonly record: Bytes
      readonly from: number
      /** Of chunks; of a hole below zero. */
      readonly lengths: Float64Array
    }
  /** Store chunks that the main thread read and cut. */
  | { readonly op: 'blobs'; readonly source: number; readonly bytes: Bytes; readonly lengths: Uint32Array }
  /** The session's table has grown. */
  | { readonly op: 'session'; readonly session: SharedSession }
  /** Seal what is open. */
  | { readonly op: 'flush' }

/** Entries of a scan. */
export interface ScanReply {
  readonly records: Bytes
  readonly count: number
  readonly failures: readonly { readonly path: string; readonly error: PostedError }[]
  /** Paths of entries with times that no snapshot can hold, which got the nearest. */
  readonly moved: readonly string[]
  readonly excluded: Exclusions
  readonly done: boolean
}

/** What became of files: one {@link FileResult} each, in order, and the chunks of all of them. */
export interface StoredReply {
  readonly files: readonly FileResult[]
  /** 36 bytes a chunk: id, length; a hole has an id of zeros. */
  readonly chunks: Bytes
  readonly packs: readonly PostedPack[]
  readonly added: { readonly chunks: number; readonly bytes: number }
}

/** How many of the reply's chunks are this file's, and what went wrong with it. */
export interface FileResult {
  readonly chunks: number
  readonly error: PostedError | undefined
}

/** Where a large file is cut. */
export interface CutReply {
  /** Of chunks; of a hole below zero. */
  readonly lengths: Float64Array
  /** Whether the last length ends the file. */
  readonly done: boolean
  /** Why the file could not be read. */
  readonly error: PostedError | undefined
}

/** A sealed pack on its way to the main thread. */
export interface PostedPack {
  readonly class: 'data' | 'metadata'
  readonly name: Bytes
  readonly file: Bytes
  readonly frames: Uint32Array
  readonly records: Bytes
  readonly headerLength: number
}
