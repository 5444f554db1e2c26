/**
 * How fast the committed kernels are, beside hash-wasm and lz4-wasm-nodejs: `node measure.mjs [file]`. Without a file the compiler of
 * TypeScript is read, 9 MB of source text. One thread; best of several runs, as machines are rarely idle.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createBLAKE3 } from 'hash-wasm'
import lz4 from 'lz4-wasm-nodejs'

const frame = 1024 * 1024
const path = process.argv[2] ?? createRequire(import.meta.url).resolve('typescript')
const bytes = readFileSync(path).subarray(0, 64 * frame)

const memory = new WebAssembly.Memory({ initial: 2 * Math.ceil(bytes.length / 65_536) + 256 })
const heap = new Uint8Array(memory.buffer)
const [gearTable, table, key, out] = [0x10000, 0x20000, 0x30000, 0x30100]
const block = 0x40000
const input = block + 2 * frame + 65_536
const raw = input + Math.ceil(bytes.length / 65_536) * 65_536
heap.set(bytes, input)
for (let i = 0; i < 2048; i++) heap[gearTable + i] = Math.imul(i + 1, 0x9e3779b1) >>> 13

const gear = load('gear')
const simd = load('blake3')
const scalar = load('blake3-scalar')
const blocks = load('lz4')
const hashWasm = await createBLAKE3()

console.log(`${path}, ${(bytes.length / 1e6).toFixed(1)} MB, Node ${process.versions.node}`)
measureChunking()
for (const length of [60, 1024, 16 * 1024, frame]) measureHashing(length)
measureCompression()

function measureChunking() {
  const all = (min, normal, max) => () => {
    for (let at = 0; at < bytes.length; ) {
      at += gear.cut(gearTable, input + at, bytes.length - at, min, normal, max, 0)
    }
  }
  report('gear, 256 KiB / 1 MiB / 4 MiB', bytes.length, all(262_144, 1_048_576, 4_194_304))
  report('gear, nothing skipped', bytes.length, all(64, 1_048_576, 4_194_304))
}

function measureHashing(length) {
  const piece = bytes.subarray(0, length)
  const size = `${piece.length} bytes`
  report(`BLAKE3 four lanes, ${size}`, piece.length, () => simd.hash(key, input, piece.length, out))
  report(`BLAKE3 word by word, ${size}`, piece.length, () => scalar.hash(key, input, piece.length, out))
  report(`BLAKE3 hash-wasm, ${size}`, piece.length, () => hashWasm.init().update(piece).digest('binary'))
}

function measureCompression() {
  const frames = []
  for (let at = 0; at < bytes.length; at += frame) frames.push(bytes.subarray(at, at + frame))
  const sizes = []
  const compress = (at, length) => blocks.compress(input + at, length, block, blocks.bound(length), table)
  report('LZ4 compress, 1 MiB frames', bytes.length, () => {
    frames.forEach((piece, i) => {
      sizes[i] = compress(i * frame, piece.length)
    })
  })
  reportRatio(sizes)
  const stored = frames.map((piece, i) => {
    const size = compress(i * frame, piece.length)
    return heap.slice(block, block + size)
  })
  report('LZ4 decompress', bytes.length, () => {
    frames.forEach((piece, i) => {
      heap.set(stored[i], block)
      if (blocks.decompress(block, stored[i].length, raw, piece.length) !== piece.length)
        throw new Error('LZ4 is wrong')
    })
  })
  let packed = []
  report('LZ4 compress, lz4-wasm-nodejs', bytes.length, () => {
    packed = frames.map((piece) => lz4.compress(piece))
  })
  reportRatio(packed.map((piece) => piece.length))
  report('LZ4 decompress, lz4-wasm-nodejs', bytes.length, () => {
    for (const piece of packed) lz4.decompress(piece)
  })
}

function load(name) {
  const source = readFileSync(new URL(`../src/kernels/${name}.generated.ts`, import.meta.url), 'utf8')
  const module = new WebAssembly.Module(Buffer.from(source.split('`')[3], 'base64'))
  return new WebAssembly.Instance(module, { env: { memory } }).exports
}

function report(name, length, work) {
  const times = Math.max(1, Math.ceil(4_000_000 / (length + 1000)))
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 20; run++) {
    const start = performance.now()
    for (let i = 0; i < times; i++) work()
    best = Math.min(best, (performance.now() - start) / times)
  }
  const speed = `${Math.round(length / 1_048_576 / (best / 1000))} MiB/s`
  console.log(name.padEnd(40), speed.padStart(12), best < 0.1 ? `${Math.round(best * 1e6)} ns each`.padStart(18) : '')
}

function reportRatio(sizes) {
  const size = sizes.reduce((sum, each) => sum + each, 0)
  console.log(`  ${(bytes.length / size).toFixed(3)} times smaller`)
}
