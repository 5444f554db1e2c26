import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Makes a small folder with a bit of everything: nesting, links, odd names, an empty file, a file of many chunks. */
export function makeFolder(at: string): void {
  mkdirSync(join(at, 'docs/deep/deeper'), { recursive: true })
  mkdirSync(join(at, 'empty'))
  writeFileSync(join(at, 'hello.txt'), 'hello, world\n')
  writeFileSync(join(at, 'docs/empty'), '')
  writeFileSync(join(at, 'docs/naïve 日本語.txt'), 'names are not ASCII')
  writeFileSync(join(at, 'docs/two\nlines'), 'a name of two lines')
  writeFileSync(join(at, 'docs/deep/deeper/run.sh'), '#!/bin/sh\n')
  writeFileSync(join(at, 'big.bin'), noise(5_000_000))
  chmodSync(join(at, 'docs/deep/deeper/run.sh'), 0o750)
  linkSync(join(at, 'hello.txt'), join(at, 'docs/hard'))
  symlinkSync('../hello.txt', join(at, 'docs/soft'))
  utimesSync(join(at, 'hello.txt'), 1_600_000_000, 1_600_000_000)
}

/** What a restore must bring back, by path: kind, mode, content or target, modification time of files. */
export function describeFolder(at: string): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const path of readdirSync(at, { recursive: true, encoding: 'utf8' })) {
    const full = join(at, path)
    const about = lstatSync(full)
    found[path] = about.isSymbolicLink()
      ? readlinkSync(full)
      : about.isFile()
        ? [about.mode, about.mtimeMs, readFileSync(full).toString('base64')]
        : about.mode
  }
  return found
}

/** Bytes that do not compress, the same each time. */
export function noise(length: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  // xorshift32: Marsaglia, "Xorshift RNGs".
  let state = seed
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return Buffer.from(words.buffer, 0, length)
}
