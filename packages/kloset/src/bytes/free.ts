import type { Bytes } from './bytes.js'

/**
 * Frees the memory of bytes that nobody looks at any more, where the runtime can do that at once (`ArrayBuffer.prototype.transfer`, ES2024: Node
 * from 22 on, and Node 20 with a flag of V8). What is allocated next then finds it in the processor's cache, and there is no garbage to collect.
 */
export function free({ buffer }: Bytes): void {
  const memory = buffer as ArrayBuffer & { transfer?(length: number): unknown }
  memory.transfer?.(0)
}
