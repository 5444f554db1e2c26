import { fstatSync } from 'node:fs'
import { native } from './native.js'
import type { Site } from './site.js'
import { isRefusal } from './xattrs.js'

/** Few file systems have smaller holes, and on those with larger ones nothing is lost. */
const block = 4096

/** The runs of bytes, `at` in a file, that are not whole blocks of zeros. */
export function* dataIn(bytes: Uint8Array, at: number): Generator<{ readonly from: number; readonly to: number }> {
  let from = 0
  for (let start = 0; start < bytes.length; ) {
    // Up to the next border of a block in the file.
    const end = Math.min(bytes.length, start + block - ((at + start) % block))
    if (end - start === block && isZero(bytes, start, end)) {
      if (start > from) yield { from, to: start }
      from = end
    }
    start = end
  }
  if (bytes.length > from) yield { from, to: bytes.length }
}

/** Has all of a file take room on the disk; where that cannot be, `site` is told. */
export function fillHoles(file: number, size: number, site: Site): void {
  if (size === 0 || fstatSync(file).blocks * 512 >= size) return
  try {
    const calls = native()
    if (calls) calls.allocate(file, size)
    else site.leftOut('holes')
  } catch (error) {
    if (!isRefusal(error)) throw error
    site.leftOut('holes')
  }
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
