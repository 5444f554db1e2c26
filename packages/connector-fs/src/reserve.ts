import { randomBytes } from 'node:crypto'
import { stat, unlink } from 'node:fs/promises'
import { makeFolder, type Owner, syncFolder, writeSynced } from './durable.js'
import { isAbsent } from './errors.js'

/** The folder of the room that is set aside, in a store. */
export const reserveFolder = 'reserve~'

/** So many files are set aside, so that a full table of inodes does not matter either. */
export const reservePieces = 8

/** Bytes of each: several entries of the log, or the segments of a small index. */
export const pieceSize: number = 32 * 1024

/** Sets room aside in the store at `root`, as far as it is not there and there is room. */
export async function keepReserve(root: string, owner: Owner | undefined, signal: AbortSignal): Promise<void> {
  const folder = `${root}/${reserveFolder}`
  await makeFolder(folder, owner)
  for (const path of piecesIn(folder)) {
    if ((await sizeOf(path)) === pieceSize) continue
    await unlink(path).catch(() => {})
    try {
      // Random, since file systems that compress would set nothing aside for zeros.
      await writeSynced(path, randomBytes(pieceSize), signal, owner)
    } catch (error) {
      await unlink(path).catch(() => {})
      throw error
    }
  }
  await syncFolder(folder)
}

/** Gives up what is set aside; returns whether that was anything. */
export async function releaseReserve(root: string): Promise<boolean> {
  const folder = `${root}/${reserveFolder}`
  let released = false
  for (const path of piecesIn(folder)) {
    try {
      await unlink(path)
      released = true
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }
  // Some file systems give room out again only once they have stored that it is free.
  if (released) await syncFolder(folder)
  return released
}

/** The paths of what may be set aside. */
export function piecesIn(folder: string): string[] {
  return Array.from({ length: reservePieces }, (_, index) => `${folder}/${index}`)
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  )
}
