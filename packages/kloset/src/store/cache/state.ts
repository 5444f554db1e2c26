import { equalBytes } from '../../bytes/index.js'
import type { Keyring } from '../../crypto/index.js'
import { isKlosetError } from '../../errors.js'
import {
  checkpointObject,
  decodeCheckpoint,
  encodeCheckpoint,
  fitsCheckpoint,
  type LogState,
  positionOf,
} from '../../log/index.js'
import type { StoreCache } from './store-cache.js'

/** Position of the newest state of the log that is kept; 0 where none is. */
export function keptPosition(cache: StoreCache): number {
  return Math.max(0, ...positions(cache))
}

/** The newest state of the log that is kept and can be read: that of the last look, sealed as a checkpoint is. */
export function keptState(cache: StoreCache, keyring: Keyring): LogState | undefined {
  for (const position of positions(cache).sort((a, b) => b - a)) {
    const name = checkpointObject(position)
    try {
      const bytes = cache.read(name)
      if (bytes !== undefined) return decodeCheckpoint(keyring, position, bytes)
    } catch (error) {
      if (!isKlosetError(error)) throw error
      cache.drop(name)
    }
  }
  return undefined
}

/** Keeps the state of the log, in the place of earlier ones. */
export function keepState(cache: StoreCache, keyring: Keyring, state: LogState): void {
  if (state.position === 0 || !fitsCheckpoint(state)) return
  const before = positions(cache)
  cache.keep(checkpointObject(state.position), encodeCheckpoint(keyring, state))
  // One that is later is another process's, which has seen more.
  for (const position of before) if (position < state.position) cache.drop(checkpointObject(position))
}

/** Lets go of a state that was kept, where the log turned out not to lead there: the store went back, or is another copy. */
export function dropStateUnless(cache: StoreCache, kept: LogState, now: LogState): void {
  if (kept.position >= now.position && !equalBytes(kept.hash, now.hash)) cache.drop(checkpointObject(kept.position))
}

function positions(cache: StoreCache): number[] {
  return cache.names('checkpoints/').flatMap((name) => positionOf(name) ?? [])
}
