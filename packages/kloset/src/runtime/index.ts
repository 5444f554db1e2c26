import { nodeRuntime } from './node/index.js'
import type { Runtime } from './types.js'

export type { Aead, AeadName, Argon2Input, ListedFile, LocalFile, LocalFiles, Runtime, X25519, Zstd } from './types.js'
export { tagLength } from './types.js'

/** The runtime of this build. A build for where `node:*` is absent puts `portableRuntime` here, and nothing else changes. */
export const runtime: Runtime = nodeRuntime
