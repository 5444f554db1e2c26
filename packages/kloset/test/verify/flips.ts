import { expect } from 'vitest'
import { equalBytes } from '../../src/bytes/index.js'
import { isKlosetError, type Store } from '../../src/index.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { type KnownSnapshot, type KnownStore, openWithKeys } from '../support/damage.js'
import { recorder, workerRecorder } from '../support/recorder.js'
import { findingsOf, openAt } from '../support/stores.js'

/** Opens a damaged store; an error that is not ours fails the test. Keys are only used again where nothing about them is damaged. */
async function tryOpen(place: MemoryPlace, known: KnownStore): Promise<Store | undefined> {
  const isFoundation = (name: string): boolean => /^(config|keys|epochs)/.test(name)
  const names = [...known.place.keys()].filter(isFoundation)
  const whole = names.every((name) => place.get(name) === known.place.get(name))
  try {
    return await (whole ? openWithKeys(place, known.keyring) : openAt(place, known.unlock))
  } catch (error) {
    if (!isKlosetError(error)) throw error
    return undefined
  }
}

/** Checks a damaged store: it must not open, or the check must find something. */
export async function mustBeFound(what: string, place: MemoryPlace, known: KnownStore): Promise<void> {
  const store = await tryOpen(place, known)
  if (store === undefined) return
  const findings = await findingsOf(store)
  if (findings.length === 0) expect.fail(`${what}: nothing was found`)
  for (const { object, message, remedy } of findings) {
    if (object === '' || message === '' || remedy === '') expect.fail(`${what}: a finding says nothing`)
  }
}

/**
 * Restores a snapshot of a damaged store. Whatever arrives must be right; what does not arrive must be named with a typed error; and
 * where `lost` is known, exactly the files that need one of those blobs must be missing.
 */
export async function mustRestore(
  what: string,
  place: MemoryPlace,
  known: KnownStore,
  snapshot: KnownSnapshot,
  lost: ReadonlySet<string> | undefined,
  way: 'plain' | 'worker',
): Promise<void> {
  const store = await tryOpen(place, known)
  if (store === undefined) {
    if (lost !== undefined) expect.fail(`${what}: it must open`)
    return
  }
  const to = way === 'plain' ? recorder() : workerRecorder()
  let named: ReadonlySet<string> | 'all'
  try {
    const { failed, failedCount } = await store.restore(snapshot.id, to, { overwrite: 'always' })
    for (const { path, error } of failed) if (!isKlosetError(error)) expect.fail(`${what}: ${path}: ${String(error)}`)
    named = new Set(failed.map(({ path }) => path))
    if (named.size !== failedCount) expect.fail(`${what}: some that failed are not named`)
  } catch (error) {
    if (!isKlosetError(error)) throw error
    if (lost !== undefined) expect.fail(`${what}: the restore stopped: ${error.message}`)
    named = 'all'
  }
  for (const [path, { bytes, ids }] of snapshot.files) {
    const found = to.found.get(path)?.bytes
    if (found !== undefined && !equalBytes(found, bytes)) expect.fail(`${what}: ${path} was restored wrong`)
    // Of files whose entries are lost nobody knows the names: then a path tells where they were.
    const isNamed = named === 'all' || named.has(path) || (lost === undefined && named.size > 0)
    if (found === undefined && !isNamed) expect.fail(`${what}: ${path} is missing in silence`)
    if (found !== undefined && named !== 'all' && named.has(path))
      expect.fail(`${what}: ${path} is there and said to fail`)
    if (lost === undefined) continue
    const needs = [...ids].some((id) => lost.has(id))
    if (needs !== (found === undefined))
      expect.fail(`${what}: ${path} ${needs ? 'cannot be right' : 'must be restored'}`)
  }
}
