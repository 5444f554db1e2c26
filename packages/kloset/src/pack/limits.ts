/** Sizes that docs/format.md allows, in bytes. Readers check them before they allocate anything. */
export const limits: Readonly<Record<'pack' | 'footer' | 'frames' | 'rawFrame' | 'sealedFrame', number>> = {
  pack: 256 * 1024 * 1024,
  footer: 16 * 1024 * 1024,
  frames: 65_535,
  rawFrame: 16 * 1024 * 1024,
  sealedFrame: 16 * 1024 * 1024 + 64 * 1024,
}

/** What writers stay below, so that a footer never comes near its cap: 40 bytes a record. */
export const mostRecords = 131_072

/** Length of a frame's header inside its plaintext. */
export const frameHeaderLength = 13

/** Length of a record in a footer: id, offset, length. */
export const recordLength = 40
