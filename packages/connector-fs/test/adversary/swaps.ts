import { chmodSync, linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry, Source } from 'kloset/connector'
import { places, signal } from '../places.js'

const place = places()
const secret = 'nobody else may read this'
export const changed = { code: 'KLOSET_FILE_CHANGED' }

/** A home folder with `d/file`, and a folder elsewhere with a file of the same name. */
export function home(): { readonly folder: string; readonly elsewhere: string } {
  const folder = place()
  const elsewhere = place()
  mkdirSync(join(folder, 'd'))
  writeFileSync(join(folder, 'd', 'file'), 'innocent')
  writeFileSync(join(elsewhere, 'file'), secret, { mode: 0o600 })
  chmodSync(elsewhere, 0o700)
  return { folder, elsewhere }
}

/** What somebody may do between scan and reading who may write to the home folder. */
export const swaps: Readonly<Record<string, (folder: string, elsewhere: string) => void>> = {
  'the folder it is in, for a link to another folder'(folder, elsewhere) {
    renameSync(join(folder, 'd'), join(folder, 'x'))
    symlinkSync(elsewhere, join(folder, 'd'))
  },
  'a folder further up, for a link'(folder, elsewhere) {
    renameSync(folder, `${folder}-moved`)
    mkdirSync(join(elsewhere, 'd'))
    renameSync(join(elsewhere, 'file'), join(elsewhere, 'd', 'file'))
    symlinkSync(elsewhere, folder)
  },
  'the folder it is in, for another folder'(folder, elsewhere) {
    renameSync(join(folder, 'd'), join(folder, 'x'))
    renameSync(elsewhere, join(folder, 'd'))
  },
  'the file, for another one'(folder, elsewhere) {
    renameSync(join(elsewhere, 'file'), join(folder, 'd', 'file'))
  },
  'the file, for a hard link to another one'(folder, elsewhere) {
    unlinkSync(join(folder, 'd', 'file'))
    linkSync(join(elsewhere, 'file'), join(folder, 'd', 'file'))
  },
  'the file, for a link to another one'(folder, elsewhere) {
    unlinkSync(join(folder, 'd', 'file'))
    symlinkSync(join(elsewhere, 'file'), join(folder, 'd', 'file'))
  },
  'the folder it is in, for a link to where the same file is now'(folder, elsewhere) {
    unlinkSync(join(elsewhere, 'file'))
    linkSync(join(folder, 'd', 'file'), join(elsewhere, 'file'))
    renameSync(join(folder, 'd'), join(folder, 'x'))
    symlinkSync(elsewhere, join(folder, 'd'))
  },
}

/** What the plain read of an entry gives. */
export async function drain(source: Source, entry: Entry): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of source.read(entry, { signal, range: undefined })) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
