import type { Bytes } from '../../src/bytes/index.js'
import { type Source, sourceOf, type VirtualFile } from '../../src/connector/index.js'
import { numbers } from '../index/helpers.js'

/** Bytes that do not compress and are the same each time. */
export function noise(length: number, seed: number): Bytes {
  const next = numbers(seed)
  return new Uint8Array(length).map(() => next() >>> 24)
}

/** Nanoseconds since 1970 of some moment long ago, so that files do not look as if they were being written. */
export const longAgo: bigint = 1_700_000_000_000_000_000n

/** A source of files that can be read in any order and any number of times. */
export function sourceWith(files: readonly VirtualFile[], root = 'data', origin = 'here'): Source {
  return sourceOf({ type: 'test', origin, root, access: 'random' }, () =>
    files.map((file) => ({ mtime: longAgo, ...file })),
  )
}

/** Files by path; a text or bytes is a file. */
export function files(of: Readonly<Record<string, string | Uint8Array>>): VirtualFile[] {
  return Object.entries(of).map(([path, content]) => ({ path, content }))
}
