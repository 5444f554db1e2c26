import type { Filter } from './contract.js'

/** Takes every entry. */
export const everything: Filter = { takes: () => true }
