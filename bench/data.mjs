// What is backed up: generated folders that are the same on every machine, a large file, and real trees.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { basename, join } from 'node:path'

const kernelSource = '/usr/src/linux-source-6.1.tar.xz'

/** A folder of small and middle-sized files, about `files` × 24 KiB: two thirds text, one third random bytes. */
export function generatedTree(folder, files) {
  const random = randomNumbers(1)
  const noise = randomBytes(random, 4 << 20)
  const words = text(random, 8 << 20)
  for (let i = 0; i < files; i++) {
    const parent = join(folder, `part ${i % 97}`, `group-${i % 13}`)
    fs.mkdirSync(parent, { recursive: true })
    // Most files are small and few are large, as in real folders.
    const size = Math.floor(2 ** (8 + 10 * random() ** 2))
    fs.writeFileSync(join(parent, `file-${i}`), stir(slice(i % 3 === 0 ? noise : words, random, size), random))
  }
  return { name: `${files.toLocaleString('en')} generated files`, folder, change: changeSmallFiles }
}

/** One large file of runs of text, of random bytes, and of repetitions of what came before. */
export function largeFile(folder, bytes) {
  fs.mkdirSync(folder, { recursive: true })
  const random = randomNumbers(2)
  const file = fs.openSync(join(folder, 'large.img'), 'w')
  const noise = randomBytes(random, 64 << 20)
  const words = text(random, 8 << 20)
  for (let written = 0; written < bytes; ) {
    const length = Math.min(bytes - written, Math.floor((1 + 15 * random()) * (1 << 20)))
    const kind = random()
    const piece = kind < 0.4 ? stir(slice(noise, random, length), random) : stir(slice(words, random, length), random)
    written += fs.writeSync(file, kind < 0.9 ? piece : slice(words, random, length))
  }
  fs.closeSync(file)
  return { name: `one file of ${Math.round(bytes / 1e6).toLocaleString('en')} MB`, folder, change: changeLargeFile }
}

/** A real tree, copied so that it can be changed. */
export function realTree(from, folder) {
  run('cp', ['-a', from, folder])
  return { name: `real tree ${basename(from)}`, folder, change: changeSmallFiles }
}

/** The source of Linux, where Debian's package linux-source-6.1 is installed. */
export function kernelTree(folder) {
  fs.mkdirSync(folder, { recursive: true })
  run('tar', ['-xf', kernelSource, '-C', folder])
  return { name: 'Linux 6.1 source', folder, change: changeSmallFiles }
}

/** Whether {@link kernelTree} can be made. */
export function hasKernelSource() {
  return fs.existsSync(kernelSource)
}

// Ten files all over the tree get a line more.
function changeSmallFiles(folder, round) {
  const files = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
  for (let i = 0; i < 10; i++)
    fs.appendFileSync(files[Math.floor(((i + 0.5) * files.length) / 10)], `changed ${round}\n`)
}

// Ten places all over the file get other bytes; its length stays.
function changeLargeFile(folder, round) {
  const path = join(folder, 'large.img')
  const { size } = fs.statSync(path)
  const file = fs.openSync(path, 'r+')
  for (let i = 0; i < 10; i++) fs.writeSync(file, `changed ${round}`, Math.floor(((i + 0.5) * size) / 10))
  fs.closeSync(file)
}

function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

// Mulberry32: a few lines, the same numbers everywhere.
function randomNumbers(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function randomBytes(random, length) {
  return Buffer.from(Uint32Array.from({ length: length / 4 }, () => random() * 2 ** 32).buffer)
}

function text(random, length) {
  const words = Array.from({ length: 1000 }, () => Math.floor(random() * 2 ** 40).toString(36))
  const out = Buffer.alloc(length)
  for (let at = 0; at < length; ) at += out.write(`${words[Math.floor(random() ** 4 * words.length)]} `, at)
  return out
}

function slice(bytes, random, length) {
  const start = Math.floor(random() * Math.max(1, bytes.length - length))
  return bytes.subarray(start, start + length)
}

// A copy that no deduplication finds again, about as compressible as before.
function stir(bytes, random) {
  const out = Buffer.from(bytes)
  for (let at = 0; at < out.length; at += 4096)
    out.writeUInt32LE(Math.floor(random() * 2 ** 32), Math.min(at, out.length - 4))
  return out
}
