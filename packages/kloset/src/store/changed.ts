import { KlosetError } from '../errors.js'
import type { CommitLog } from '../log/index.js'
import type { StoreConfig } from './config.js'
import type { SeenHead, SeenKeys } from './memory.js'

// What a store is refused for that is not the one this machine remembers. `trust` accepts each.

/** A store without encryption where there was one with it: whoever can write to the place could have put it there. */
export function notEncryptedAnyMore(location: string, store: string, before: string): KlosetError {
  return new KlosetError(
    'KLOSET_NOT_ENCRYPTED',
    `the store at ${location} is not encrypted, and the one that was there is`,
    {
      hint: 'Somebody may have exchanged it. If it was you, open it once with trust.',
      context: { location, store, before },
    },
  )
}

/** Another store than the one that was there: with the same passphrase, nothing else tells them apart. */
export function storeChanged(location: string, store: string, before: string): KlosetError {
  return new KlosetError(
    'KLOSET_STORE_CHANGED',
    `at ${location} there is another store than before: ${store}, and not ${before}`,
    {
      hint:
        'Somebody may have put it in the place of yours, or another disk is mounted there. Find out first; ' +
        'if it is the store you want, such as one that was made anew, open it once with trust.',
      context: { location, store, before },
    },
  )
}

/** Keys that are not those that were seen, or older ones. */
export function keysChanged(location: string, { store }: StoreConfig, epoch: number, before: SeenKeys): KlosetError {
  const how =
    epoch < before.epoch
      ? `are of epoch ${epoch}, and this machine saw those of epoch ${before.epoch}`
      : 'are not those that this machine saw'
  return new KlosetError('KLOSET_KEYS_CHANGED', `the keys of the store at ${location} ${how}`, {
    hint:
      'Somebody may have exchanged them, or put an older copy of the store in its place. Find out what happened to it first; ' +
      'if it is what you want, open it once with trust.',
    context: { location, store, epoch, seen: before.epoch },
  })
}

/** A log that is not the one that was seen before. @param doubt what {@link CommitLog.doubt} says */
export function logChanged(location: string, log: CommitLog, doubt: KlosetError, before: SeenHead): KlosetError {
  const { position, snapshots } = log.state
  const last = [...snapshots.values()].reduce((latest, { time }) => Math.max(latest, time), 0)
  const now = `now the log has ${position} entries${last === 0 ? '' : `, and its last snapshot was committed on ${dateOf(last)}`}`
  const then = `on ${dateOf(before.seen)} this machine saw entry ${before.position} of it`
  const damage = log.incomplete === undefined ? '' : `. ${log.incomplete.message}`
  const elsewhere = before.location === location ? '' : ` at ${before.location}`
  return new KlosetError(
    'KLOSET_LOG_CHANGED',
    `the store at ${location} went back or was forked: ${then}${elsewhere}; ${now}${damage}`,
    {
      hint:
        'Somebody may have put an older or another copy of the store in its place. Find out what happened to it first; ' +
        'if it is what you want, such as a copy that was restored, open it once with trust.',
      context: { location, entry: position, seen: before.position },
      cause: doubt,
    },
  )
}

function dateOf(time: number): string {
  return new Date(time).toISOString()
}
