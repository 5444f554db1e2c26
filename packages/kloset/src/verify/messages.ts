import type { Bytes } from '../bytes/index.js'
import type { KeyMaterial } from '../crypto/index.js'
import type { SharedIndex } from '../index/index.js'

/** What a check's job in each worker starts from. */
export interface VerifyInit {
  readonly material: KeyMaterial
  readonly index: SharedIndex
}

/** A whole pack to verify, as it was read. */
export interface VerifyMessage {
  readonly name: Bytes
  readonly file: Bytes
  /** Three numbers a frame, as the index has them: offset, sealed length, raw length. */
  readonly frames: Uint32Array
}

/** What is wrong with a pack. */
export interface PackFinding {
  readonly code: 'pack-corrupt' | 'footer-corrupt' | 'frame-corrupt' | 'chunk-corrupt' | 'index-mismatch'
  readonly message: string
  /** The frame that cannot be read because of it. */
  readonly frame: number | undefined
  /** The only blob of that frame that is wrong; undefined: all of them. */
  readonly id: Bytes | undefined
}

/** The answer to a {@link VerifyMessage}. */
export interface VerifyReply {
  readonly findings: readonly PackFinding[]
  /** How many blobs were verified, and their bytes. */
  readonly blobs: number
  readonly bytes: number
}
