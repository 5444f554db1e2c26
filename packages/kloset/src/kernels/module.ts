import type { Bytes } from '../bytes/index.js'

/** The functions that the kernel in `base64` exports, over `memory`. */
export function instantiate<Exports>(base64: string, memory: WebAssembly.Memory): Exports {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(fromBase64(base64)), { env: { memory } })
  return instance.exports as Exports
}

/** Whether this runtime has all that the kernel in `base64` is made of. */
export function isRunnable(base64: string): boolean {
  return WebAssembly.validate(fromBase64(base64))
}

/** Whether this runtime has the 128-bit SIMD instructions of WebAssembly. */
export function hasSimd(): boolean {
  return WebAssembly.validate(simdProbe)
}

// A function of one instruction: (module (func (result v128) (v128.const i64x2 0 0)))
const simdProbe = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 22, 1, 20, 0, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11],
])

function fromBase64(base64: string): Bytes {
  const characters = atob(base64)
  const bytes = new Uint8Array(characters.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i)
  return bytes
}
