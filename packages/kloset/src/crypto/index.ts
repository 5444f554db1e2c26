export {
  type EpochKeys,
  type EpochPlace,
  epochObject,
  type OpenedEpoch,
  openEpoch,
  openPrevious,
  previousObject,
  sealEpoch,
  sealPrevious,
  verifyEpoch,
  verifyLink,
} from './epochs.js'
export { headerLength, newHeader, type ObjectKind, readHeader, type SealedHeader } from './header.js'
export { hkdf, subkey } from './kdf.js'
export {
  createKeyMaterial,
  createKeyring,
  type Encryption,
  type KeyFingerprints,
  type KeyMaterial,
  type Keyring,
  plaintextMaterial,
  type SealLabel,
} from './keyring.js'
export { type Argon2Costs, defaultCosts, derivesElsewhere, passphraseKey, refusedCosts } from './passphrase.js'
export { type Sealer, sealer } from './sealed.js'
export { giveUp, newCounters } from './segments.js'
export type { SlotHead, SlotKdf } from './slot-head.js'
export {
  createSlot,
  fitsSlot,
  type KeySlot,
  type NewSlot,
  type NewSlotOptions,
  type OpenedSlot,
  openSlot,
  readSlot,
  type Secret,
  verifySlot,
} from './slots.js'
export { type LockedStore, mostSlots, type Unlocked, type UnlockOptions, unlock } from './unlock.js'
