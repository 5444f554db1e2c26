import type { CreateOptions, SnapshotEdit, Unlock } from '../../src/api.js'
import { utf8 } from '../../src/bytes/index.js'

/** The golden stores by name. Those that are there are never made again: each pins the version that wrote it. */
export const goldenStores: Readonly<
  Record<
    string,
    {
      readonly unlock: Unlock
      readonly options: Partial<CreateOptions>
      /** Each of its snapshots was edited so after it was made. */
      readonly edit?: SnapshotEdit
    }
  >
> = {
  'v1-aes-zstd': {
    unlock: { passphrase: 'gölden' },
    options: { codec: 'zstd', encryption: 'aes-256-gcm', label: 'curator' },
  },
  'v1-aes-none': {
    unlock: { key: utf8('the museum has a key of 32 bytes') },
    options: { codec: 'none', encryption: 'aes-256-gcm' },
  },
  'v1-chacha-lz4': {
    unlock: { key: utf8('the museum has a key of 32 bytes') },
    options: { codec: 'lz4', encryption: 'chacha20-poly1305' },
  },
  'v1-chacha-deflate': {
    unlock: { passphrase: 'gölden' },
    options: { codec: 'deflate', encryption: 'chacha20-poly1305' },
  },
  'v1-plain-lz4': { unlock: { plaintext: true }, options: { codec: 'lz4' } },
  'v1-plain-edited': {
    unlock: { plaintext: true },
    options: { codec: 'lz4' },
    edit: { name: 'called later', tags: { add: ['kept'], remove: ['golden'] } },
  },
  'v1-plain-zstd': { unlock: { plaintext: true }, options: { codec: 'zstd' } },
}

/** The sizes they were made with: small, so that a few kilobytes have many chunks, frames and packs. */
export const goldenSizes: Pick<CreateOptions, 'chunker' | 'frame' | 'pack' | 'argon2'> = {
  chunker: { min: 512, normal: 1024, max: 4096 },
  frame: 8 * 1024,
  pack: 24 * 1024,
  argon2: { memoryKiB: 8 * 1024, passes: 1 },
}
