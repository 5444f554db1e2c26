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
  readonly file: Uint8Array
  /** Three numbers a frame, as the index has them: offset, sealed length, raw length. */
  readonly frames: Uint32Array
}
