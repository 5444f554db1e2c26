import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Call, Content, Entry, Failure, Filter, Source } from 'kloset/connector'
import { afterAll } from 'vitest'

/** A signal that is never aborted. */
export const signal: AbortSignal = new AbortController().signal
export const call: Call = { signal }
export const everything: Filter = { takes: () => true }

/** Whether files that only their owner may read are read by these tests anyway. */
export const isRoot: boolean = process.geteuid?.() === 0

/** Makes empty folders that are gone after the tests of this file. */
export function places(): () => string {
  const base = mkdtempSync(join(tmpdir(), 'kloset-fs-'))
  let count = 0
  afterAll(() => rmSync(base, { recursive: true, force: true }))
  return () => {
    const folder = join(base, `place-${count++}`)
    mkdirSync(folder)
    return folder
  }
}

/** Runs `work` as a user who owns nothing. Only for root. */
export function asNobody<T>(work: () => T): T {
  process.seteuid?.(65_534)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}

/** All that a scan yields. */
export function all(batches: Iterable<readonly (Entry | Failure)[]>): (Entry | Failure)[] {
  return [...batches].flat()
}

/** All that the plain scan of a source yields. */
export async function scanned(source: Source, under = '', filter: Filter = everything): Promise<(Entry | Failure)[]> {
  const found: (Entry | Failure)[] = []
  for await (const batch of source.scan({ signal, filter, under })) found.push(...batch)
  return found
}

/** All that the plain read of a source yields, as text. */
export async function readText(
  source: Source,
  path: string,
  range?: { offset: number; length: number },
): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of source.read({ path, type: 'file' }, { signal, range })) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** A file's content, in pieces as the engine may hand them out. */
export function contentOf(text: string, pieceSize = 4): Content {
  const whole = new TextEncoder().encode(text)
  return {
    size: whole.length,
    bytes: async () => whole.slice(),
    text: async () => text,
    stream: () => new Response(whole.slice()).body as ReadableStream<Uint8Array<ArrayBuffer>>,
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < whole.length; at += pieceSize) yield whole.slice(at, at + pieceSize)
    },
  }
}
