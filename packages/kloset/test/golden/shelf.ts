import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MemoryPlace } from '../../src/storage/index.js'

/** Reads the objects of a store below a folder. */
export function placeFrom(folder: string): MemoryPlace {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  const objects = files.filter((file) => statSync(file).isFile())
  return new Map(
    objects.map((file) => [relative(folder, file).replaceAll('\\', '/'), new Uint8Array(readFileSync(file))]),
  )
}

/** Writes the objects of a store below a folder that is not there yet. */
export function writePlace(folder: string, place: MemoryPlace): void {
  if (existsSync(folder)) throw new Error(`${folder} is there already: a golden store is never made again`)
  for (const [name, bytes] of place) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
}

/** Where a golden store is kept. */
export function folderOf(fixtures: string, store: string): string {
  return join(fixtures, 'golden', store)
}

/** The folder of fixtures, as tests find it. */
export const fixturesHere: string = fileURLToPath(new URL('../fixtures', import.meta.url))
