import { createRequire } from 'node:module'

/** Gets an open file from another program, through a socket. */
export interface DescriptorSocket {
  /** The end to give to the program. */
  readonly theirs: number
  readonly ours: number
  /** The file that the program has sent; undefined where it has sent none. */
  receive(): number | undefined
}

/**
 * A pair of sockets over which a file can be handed over, which Node has no calls for: by the C library through the optional package koffi. Undefined where
 * that is not installed.
 */
export function descriptorSocket(): DescriptorSocket | undefined {
  let koffi: Koffi
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return undefined
  }
  const library = koffi.load(null)
  const socketpair = library.func('int socketpair(int domain, int type, int protocol, void *pair)')
  const recvmsg = library.func('int64_t recvmsg(int socket, void *message, int flags)')

  const pair = new Int32Array(2)
  if (socketpair(unixDomain, streamSocket, 0, pair) !== 0) return undefined
  const [ours, theirs] = pair as unknown as [number, number]
  return {
    ours,
    theirs,
    receive() {
      const byte = new Uint8Array(1)
      const control = new Uint8Array(24)
      // struct iovec: base 8, length 8.
      const vector = new BigUint64Array([koffi.address(byte), 1n])
      // struct msghdr: name 8, namelen 4 and 4 unused, iov 8, iovlen 8, control 8, controllen 8, flags 4 and 4 unused.
      const message = new BigUint64Array([
        0n,
        0n,
        koffi.address(vector),
        1n,
        koffi.address(control),
        BigInt(control.length),
        0n,
      ])
      if (Number(recvmsg(ours, message, closeOnExec | doNotWait)) < 1) return undefined
      // struct cmsghdr: len 8, level 4, type 4; then the file's number.
      const header = new DataView(control.buffer)
      const sent = header.getUint32(8, true) === socketLevel && header.getUint32(12, true) === rights
      return Number(message[5]) >= 20 && sent ? header.getInt32(16, true) : undefined
    },
  }
}

// Of <sys/socket.h> on Linux.
const unixDomain = 1
const streamSocket = 1
const socketLevel = 1
const rights = 1
const doNotWait = 0x40
const closeOnExec = 0x40000000

interface Koffi {
  load(path: null): { func(declaration: string): (...values: unknown[]) => number | bigint }
  address(value: unknown): bigint
}
