import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type History, KlosetError, type PastSnapshot, type Storage } from 'kloset/connector'
import { afterAll } from 'vitest'
import { resticPassword } from '../../../testing/restic.js'
import { openRestic } from '../src/index.js'

/** A folder that is removed after the tests of the file. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kloset-restic-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The files of a folder as a storage to read from. `requests` gets a line for each get. */
export function folderStorage(folder: string, requests: string[] = []): Storage {
  const refuse = async (): Promise<never> => {
    throw new KlosetError('KLOSET_READ_ONLY', 'it is only read')
  }
  return {
    location: folder,
    capabilities: { write: false, list: true, putIfAbsent: false, concurrency: 4 },
    put: refuse,
    remove: refuse,
    async get(name, { range }) {
      requests.push(name)
      try {
        const bytes = readFileSync(join(folder, name))
        const { offset, length } = range ?? { offset: 0, length: bytes.length }
        if (offset + length <= bytes.length) return new Uint8Array(bytes.subarray(offset, offset + length))
      } catch {}
      throw new KlosetError('KLOSET_NOT_FOUND', `there is no ${name}, or no such part of it`)
    },
    async stat(name) {
      const found = statSync(join(folder, name), { throwIfNoEntry: false })
      return found && { size: found.size }
    },
    async *list(prefix) {
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.startsWith(prefix))
      const files = names.filter((name) => statSync(join(folder, name)).isFile()).sort()
      yield files.map((name) => ({ name, size: statSync(join(folder, name)).size }))
    },
    async close() {},
  }
}

/** Opens the repository in a folder. */
export function open(folder: string, password: string = resticPassword, warnings: string[] = []): Promise<History> {
  return openRestic(folderStorage(folder), { password, onWarning: (message) => warnings.push(message) })
}

/** Its snapshots, oldest first. */
export async function snapshotsOf(history: History): Promise<PastSnapshot[]> {
  const found: PastSnapshot[] = []
  for await (const batch of history.snapshots({ signal }))
    for (const each of batch) if (!('error' in each)) found.push(each)
  return found.sort((a, b) => a.time.getTime() - b.time.getTime())
}

export const signal: AbortSignal = new AbortController().signal
