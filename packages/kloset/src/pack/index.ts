export { createKeyring, type Encryption, type KeyMaterial, type Keyring, plaintextMaterial } from '../crypto/index.js'
export type { Footer, PackClass } from './footer.js'
export type { OpenedFrame, Place } from './frame.js'
export { limits } from './limits.js'
export {
  openPack,
  openPackUnhashed,
  type PackBlob,
  PackOpener,
  packBlobs,
  packObject,
  type WholePack,
} from './reader.js'
export { PackWriter, type PackWriterOptions, type SealedPack } from './writer.js'
