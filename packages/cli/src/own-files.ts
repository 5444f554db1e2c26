import { isAbsolute } from 'node:path'
import { configurationFile } from './configuration.js'
import type { UnlockFlags } from './passphrase.js'
import type { Place } from './places.js'

/** The files that a run needs besides the store, the cache and its state: the configuration, and those with keys and passphrases. */
export function ownFiles({ options, unlock }: Place, flags: UnlockFlags): string[] {
  const named = [flags, unlock].flatMap((each) => [each?.passphraseFile, each?.keyFile])
  // Keys of servers, certificates.
  const ofConnector = Object.values(options).filter((value) => isAbsolute(value))
  return [configurationFile(), ...named.filter((file) => file !== undefined), ...ofConnector]
}
