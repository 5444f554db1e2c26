import type { Storage } from '../../connector/contract.js'
import { checkEqual } from '../assert.js'
import { type Case, type Check, casesOf } from '../case.js'
import { abortChecks } from './aborts.js'
import { Bench } from './bench.js'
import { listingChecks } from './listing.js'
import { objectChecks } from './objects.js'
import { pacingChecks } from './pacing.js'
import { raceChecks } from './races.js'

/** What a storage under test is expected to be able to do. */
export interface ExpectedStorage {
  readonly write?: boolean
  readonly list?: boolean
  readonly putIfAbsent?: boolean
  /** By default not: few storages can. */
  readonly paces?: boolean
}

/** What the suite needs to know. */
export interface StorageConformanceOptions {
  /** Opens one and the same place, each time as another client of it. The suite removes what it stored there. */
  readonly place: () => Promise<Storage>
  /** What must be there, by default everything: declaring less does not make it pass. */
  readonly expect?: ExpectedStorage
}

/**
 * The cases that every {@link Storage} passes. Cases that need what is not expected are listed as skipped.
 *
 * ```ts
 * for (const c of storageConformance({ place, expect: { putIfAbsent: true } })) test(c.name, c.run, c.timeout)
 * ```
 */
export function storageConformance({ place, expect = {} }: StorageConformanceOptions): readonly Case[] {
  const expected = { write: true, list: true, putIfAbsent: true, paces: false, ...expect }
  const checks = [declares(expected), ...objectChecks, ...raceChecks, ...listingChecks, ...abortChecks, ...pacingChecks]
  return casesOf(
    checks,
    (needs) => lacking(needs, expected),
    async (run) => {
      const bench = new Bench(place)
      try {
        await run(bench)
      } finally {
        await bench.end()
      }
    },
  )
}

/** Whatever is tried has to be stored first, so that without `write` nothing else can be tried either. */
function lacking(needs: string, expected: Required<ExpectedStorage>): string | undefined {
  return [needs, 'write'].find((capability) => !expected[capability as keyof ExpectedStorage])
}

function declares(expected: Required<ExpectedStorage>): Check<Bench> {
  return {
    name: 'can do what is expected, and says where it is',
    async run(bench) {
      const { capabilities, location } = await bench.client()
      const { write, list, putIfAbsent, concurrency, paces = false } = capabilities
      checkEqual({ write, list, putIfAbsent, paces }, expected, 'its capabilities')
      checkEqual(Number.isInteger(concurrency) && concurrency >= 1, true, 'whether its concurrency is 1 or more')
      checkEqual(typeof location === 'string' && location.length > 0, true, 'whether it has a location')
    },
  }
}
