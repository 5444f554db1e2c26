import { createHash } from 'node:crypto'
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs'
import { createEngine, createStore, type Engine, openStore, type Store } from 'kloset'
import { afterAll } from 'vitest'
// The built connector: threads load its worker module, and that has to be JavaScript.
import { fs } from '../../dist/index.js'

export { fs, fsDestination, fsSource, fsStorage } from '../../dist/index.js'
export { places } from '../places.js'

/** An engine with two real threads, for the tests of one file. */
export function threads(): Engine {
  const engine = createEngine({ workers: 2 })
  afterAll(() => engine.close())
  return engine
}

const unlock = { plaintext: true } as const

/** A new store in a folder; `small` makes many chunks and packs of little data. */
export function create(at: string, engine: Engine, small = false): Promise<Store> {
  const sizes = { chunker: { min: 2048, normal: 8192, max: 32_768 }, frame: 16_384, pack: 128 * 1024 }
  return createStore(at, { unlock, engine, connectors: [fs], ...(small && sizes) })
}

/** Opens the store in a folder. */
export function open(at: string, engine: Engine): Promise<Store> {
  return openStore(at, { unlock, engine, connectors: [fs] })
}

/** What a check that reads everything finds to be wrong. */
export async function errorsOf(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const { level, code, object } of store.check({ read: 'all' })) {
    if (level === 'error') found.push(`${code} ${object}`)
  }
  return found
}

/** Bytes that do not compress, different for each seed. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length >>> 2)
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return bytes
}

/** Writes a file of noise, 8 MiB at a time. */
export function writeNoise(path: string, length: number, seed: number): void {
  const file = openSync(path, 'w')
  const piece = 8 * 1024 * 1024
  for (let at = 0; at < length; at += piece) writeSync(file, noise(Math.min(piece, length - at), seed + at))
  closeSync(file)
}

/** What is compared of an entry. */
export interface Seen {
  readonly type: number
  readonly mode: number
  readonly size: number
  readonly mtime: bigint
  readonly owner: string
  readonly device: bigint
  /** How many names a file has. */
  readonly names: number
  /** Where a link points, or the digest of a file's bytes. */
  readonly content: string
}

/** Everything below a folder, by the bytes of its path in Latin-1: exact whatever the names are. */
export function seen(root: string): Map<string, Seen> {
  const all = new Map<string, Seen>()
  const visit = (path: Buffer, name: string): void => {
    const info = lstatSync(path, { bigint: true })
    all.set(name, {
      type: Number(info.mode) & 0o170000,
      mode: Number(info.mode) & 0o7777,
      size: info.isDirectory() ? 0 : Number(info.size),
      mtime: info.mtimeNs,
      owner: `${info.uid}:${info.gid}`,
      device: info.rdev,
      names: info.isFile() ? Number(info.nlink) : 1,
      content: info.isSymbolicLink()
        ? readlinkSync(path, 'buffer').toString('latin1')
        : info.isFile() && info.size > 0n
          ? digest(path)
          : '',
    })
    if (!info.isDirectory()) return
    for (const child of readdirSync(path, 'buffer')) {
      visit(
        Buffer.concat([path, slash, child]),
        name === '' ? child.toString('latin1') : `${name}/${child.toString('latin1')}`,
      )
    }
  }
  visit(Buffer.from(root), '')
  return all
}

/** How two folders differ, a line each; nothing where they are the same. Many equal lines would say no more. */
export function differences(a: string, b: string, ignore: readonly (keyof Seen)[] = []): string[] {
  const [left, right] = [seen(a), seen(b)]
  const lines: string[] = []
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(path), right.get(path)]
    if (one === undefined || other === undefined) lines.push(`${path}: only in ${one === undefined ? b : a}`)
    else {
      for (const key of Object.keys(one) as (keyof Seen)[]) {
        if (!ignore.includes(key) && one[key] !== other[key]) lines.push(`${path}: ${key} ${one[key]} ${other[key]}`)
      }
    }
    if (lines.length >= 20) break
  }
  return lines
}

/** A folder with some hundred files of some sizes. */
export function someFiles(folder: string, count = 300): string {
  for (let i = 0; i < count; i++) {
    const below = `${folder}/${i % 7}/${i % 3}`
    mkdirSync(below, { recursive: true })
    writeNoise(`${below}/file-${i}`, i % 10 === 0 ? 200_000 : 100 + 37 * i, i)
  }
  return folder
}

/** Files whose times are this old are not read again: kernels stamp by a clock that ticks every few milliseconds. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60))
}

const slash = Buffer.from('/')
const buffer = Buffer.alloc(1024 * 1024)

function digest(path: Buffer): string {
  const hash = createHash('sha1')
  const file = openSync(path, 'r')
  for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) hash.update(buffer.subarray(0, read))
  closeSync(file)
  return hash.digest('hex')
}
