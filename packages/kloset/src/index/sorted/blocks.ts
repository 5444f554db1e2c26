import { MalformedError } from '../../bytes/index.js'
import { kernels, workspace } from '../../kernels/index.js'
import type { LocalFile } from '../../runtime/index.js'
import { blockCount, blockMac, blockNumber, blockSize, macLength, u32At } from './layout.js'

/** Reads and verifies the blocks of a sorted file. */
export class Blocks {
  readonly #file: LocalFile
  readonly #key: Uint8Array

  constructor(file: LocalFile, key: Uint8Array) {
    this.#file = file
    this.#key = key
  }

  /**
   * Reads a block to where it lies in {@link heap} at {@link blockAt} until the thread's next call of a kernel, and verifies it; gives
   * its count of rows. @throws MalformedError
   */
  read(number: number): number {
    const bytes = heap()
    let length: number
    try {
      length = this.#file.read(bytes.subarray(blockAt, blockAt + blockSize), number * blockSize)
    } catch (cause) {
      throw new MalformedError(`a block cannot be read: ${(cause as Error).message}`, { cause })
    }
    if (length !== blockSize || u32At(bytes, blockAt + blockNumber) !== number || !sealed(bytes, this.#key)) {
      throw new MalformedError(`block ${number} is damaged`)
    }
    return u32At(bytes, blockAt + blockCount)
  }
}

/** Completes the block in `bytes` at `at`, whose rows are there. */
export function sealBlock(bytes: Uint8Array, at: number, number: number, count: number, key: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint32(at + blockNumber, number, true)
  view.setUint32(at + blockCount, count, true)
  const memory = heap()
  memory.set(bytes.subarray(at, at + blockMac), blockAt)
  const mac = macOf(memory, key)
  bytes.set(memory.subarray(mac, mac + macLength), at + blockMac)
}

/** Where {@link Blocks.read} leaves a block: bytes that are any synchronous call's until the next. */
export const blockAt: number = workspace.piece

/** The memory that {@link blockAt} is in. */
export function heap(): Uint8Array {
  return kernels().heap()
}

function sealed(bytes: Uint8Array, key: Uint8Array): boolean {
  const mac = macOf(bytes, key)
  for (let i = 0; i < macLength; i++) if (bytes[mac + i] !== bytes[blockAt + blockMac + i]) return false
  return true
}

function macOf(bytes: Uint8Array, key: Uint8Array): number {
  bytes.set(key, workspace.key)
  kernels().hash(workspace.key, blockAt, blockMac, workspace.digest)
  return workspace.digest
}
