/**
 * Places in the kernels' memory for calls with ordinary bytes, in the pages between the kernels' own and the first region. Each
 * serves one synchronous call after the other, and what is there does not outlive it; only `gear` is chunk/'s for good.
 * They are fixed because using them must not grow the memory: that would detach the views of it which a caller passes.
 */
export const workspace = {
  hashState: 0x1_0000,
  key: 0x1_1000,
  digest: 0x1_1040,
  gear: 0x1_1800,
  lz4Table: 0x1_8000,
  piece: 0x2_0000,
} as const

/** Bytes of `workspace.piece`: few enough to stay in the cache between the copy and what is done with them. */
export const pieceSize = 0x2_0000

/** Where regions start. */
export const workspaceEnd = 0x4_0000
