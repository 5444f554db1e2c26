import { isDeepStrictEqual } from 'node:util'
import { toHex } from '../../src/bytes/index.js'
import { isKlosetError } from '../../src/errors.js'
import { openedStore } from '../../src/facade.js'
import { changesIn, decodeEntry, entryObject, standingOf } from '../../src/log/index.js'
import { rootsOf } from '../../src/prune/mark.js'
import { resolveIn } from '../../src/prune/resolve.js'
import { type MemoryPlace, memoryStorage } from '../../src/storage/index.js'
import { call, errorsOf, expected, contents as filesOf } from '../backup/support.js'
import { contents, openAt } from './scenarios.js'
import type { Outcome } from './scheduler.js'

/** What is wrong with a place after a run: nothing must be. `acknowledged` are the ids of snapshots whose backup succeeded. */
export async function problemsOf(place: MemoryPlace, acknowledged: readonly string[]): Promise<string[]> {
  const store = await openAt(memoryStorage({ place }))
  const { log, loaded } = { log: openedStore(store).log, loaded: await openedStore(store).loaded() }
  const problems: string[] = []
  if (log.damage !== undefined) problems.push(log.damage.message)
  problems.push(...(await errorsOf(store)))
  const { state } = log
  for (const [id, snapshot] of state.snapshots) {
    // Stricter than what a check asks: what live snapshots need is in packs that are there to stay.
    const standing = (pack: string): ReturnType<typeof standingOf> => standingOf(state, changesIn([]), pack)
    const { missing, lift } = await resolveIn(loaded, rootsOf(snapshot), standing, call)
    if (missing !== undefined) problems.push(`${snapshot.record.name} needs ${missing}`)
    if (lift.size > 0) problems.push(`${snapshot.record.name} needs packs that are condemned`)
    const found = await filesOf(store, id).catch((error: Error) => error.message)
    if (!isDeepStrictEqual(found, expected(contents[snapshot.record.name!]!))) {
      problems.push(`${snapshot.record.name} has other files than were backed up`)
    }
  }
  for (const id of acknowledged) {
    if (!state.snapshots.has(id) && !state.forgotten.has(id))
      problems.push(`snapshot ${id} was acknowledged and is not there`)
  }
  const nonces = new Set<string>()
  for (let position = 1; position <= state.position; position++) {
    const entry = decodeEntry(openedStore(store).keyring, position, place.get(entryObject(position))!)
    if (nonces.has(toHex(entry.nonce))) problems.push(`entry ${position} was put twice`)
    nonces.add(toHex(entry.nonce))
  }
  for (const name of state.segments) if (!place.has(`index/${name}`)) problems.push(`segment ${name} is gone`)
  await store.close()
  return problems
}

/** What a client must not have failed with: everything but a snapshot that was pruned before it was wanted back. */
export function failureOf(outcome: Outcome<unknown>): string | undefined {
  if (outcome.state !== 'failed' || isKlosetError(outcome.error, 'KLOSET_SNAPSHOT_PRUNED')) return undefined
  const { error } = outcome
  return error instanceof Error ? `${error.message}\n${error.stack}` : String(error)
}
