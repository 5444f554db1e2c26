import { spawn } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fs } from '@kloset/connector-fs'
import { createStore, memoryStorage, type Store } from 'kloset'
import { type Storage, sourceOf, type VirtualFile } from 'kloset/connector'
import { afterAll } from 'vitest'

/** A folder that is removed after the tests of the file. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kloset-serve-'))
  chmodSync(folder, 0o755)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A plaintext store in memory, or in the storage that is given. */
export function emptyStore(storage: Storage = memoryStorage()): Promise<Store> {
  return createStore(storage, { unlock: { plaintext: true }, connectors: [fs] })
}

/** Backs up virtual files. */
export async function addSnapshot(
  store: Store,
  files: readonly VirtualFile[],
  options: Parameters<Store['backup']>[1] = {},
): Promise<string> {
  const source = sourceOf({ type: 'test', origin: 'here', root: 'data' }, async function* () {
    yield* files
  })
  return (await store.backup(source, { host: 'nas', ...options })).snapshot!.id
}

/** Bytes that do not compress, always the same of one seed. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  return new Uint8Array(cipher.update(Buffer.alloc(length)))
}

/** Names that are hard on URLs, XML and shells. */
export const oddNames: readonly Buffer[] = [
  'with space',
  ' both ends ',
  'äöü.txt',
  'decomposed a\u0308',
  '\u{1f600}.png',
  '100% #1?.txt',
  '%41%2f',
  'a&b<c>"d\'',
  '+plus;semi=equals',
  'back\\slash',
  '-dash',
  '~tilde [brackets] {braces}',
].map((name) => Buffer.from(name))

/** Names that XML and terminals cannot have, or that are no text at all. */
export const oddestNames: readonly Buffer[] = [
  Buffer.from('new\nline'),
  Buffer.from('control\x01\x1b[31m\x7f'),
  Buffer.from([0x6e, 0x6f, 0x74, 0xff, 0xfe]),
  Buffer.from('\ufffe'),
]

/** Makes a folder with files of all kinds of names and sizes. */
export function makeFolder(folder: string, names: readonly Buffer[]): void {
  mkdirSync(join(folder, 'names'), { recursive: true })
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${folder}/names/`), name]), name)
  mkdirSync(join(folder, 'deep/deeper/deepest'), { recursive: true })
  writeFileSync(join(folder, 'deep/deeper/deepest/file'), 'at the bottom')
  writeFileSync(join(folder, 'empty'), '')
  writeFileSync(join(folder, 'large.bin'), noise(9_000_000, 1))
  writeFileSync(join(folder, 'script.sh'), '#!/bin/sh\n')
  chmodSync(join(folder, 'script.sh'), 0o750)
  mkdirSync(join(folder, 'many'))
  for (let i = 0; i < 100; i++) writeFileSync(join(folder, `many/${'long-name-'.repeat(i % 5)}${i}`), `${i}`)
  linkSync(join(folder, 'script.sh'), join(folder, 'hard-link'))
  symlinkSync('deep/deeper', join(folder, 'link'))
  utimesSync(join(folder, 'script.sh'), 1_000_000_000.25, 1_000_000_000.25)
}

/** What a program that ran to its end left. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program, while this process goes on answering it. Output is Latin-1, so that no byte is lost. */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: null, stdout, stderr: error.message }))
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** A storage whose packs are damaged as long as `broken` says so. */
export function damaging(storage: Storage, broken: () => boolean): Storage {
  return new Proxy(storage, {
    get(target, property) {
      const value = Reflect.get(target, property)
      if (property !== 'get') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<Storage['get']>) => {
        const bytes = new Uint8Array(await target.get(...args))
        if (broken() && args[0].startsWith('packs/')) for (let at = 200; at < bytes.length; at += 1_000) bytes[at]! ^= 1
        return bytes
      }
    },
  })
}
