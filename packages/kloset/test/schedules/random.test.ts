import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MemoryPlace } from '../../src/storage/index.js'
import { numbers } from '../index/helpers.js'
import { patient, seeded } from './chance.js'
import { runScenario } from './run.js'
import { placeOf, scenarios } from './scenarios.js'
import type { Decisions, Fate } from './scheduler.js'

/** KLOSET_SCHEDULES: how many schedules of each scenario; KLOSET_SEED: which is the first. */
const count = Number(process.env.KLOSET_SCHEDULES ?? 40)
const first = Number(process.env.KLOSET_SEED ?? 1)

/** Decides by a seed. Most of the time the client that moved goes on, for as long as that seed likes. */
function randomly(seed: number): Decisions {
  const next = numbers(seed)
  const chance = (part: number): boolean => next() % 1_000_000 < part * 1_000_000
  const stays = [0, 0.5, 0.8, 0.95][next() % 4]!
  const faulty = seed % 3 === 1
  const deadly = seed % 3 === 2
  let current = ''
  const fates: readonly Fate[] = ['lost-answer', 'lost', 'late', 'fine', 'fine']
  return {
    next(clients) {
      const same = clients.indexOf(current)
      const chosen = same >= 0 && chance(stays) ? same : next() % clients.length
      current = clients[chosen]!
      return chosen
    },
    fate: () => (faulty ? fates[next() % fates.length]! : 'fine'),
    crashes: () => deadly && chance(0.01),
    arrives: () => chance(0.1),
  }
}

const restore = patient()
afterAll(restore)

describe.each(scenarios)('$name', (scenario) => {
  let place: MemoryPlace
  beforeAll(async () => {
    const end = seeded(0)
    place = await placeOf(scenario)
    end()
  })

  it(`is safe in ${count} schedules`, { timeout: 600_000 }, async () => {
    for (let seed = first; seed < first + count; seed++) {
      const { problems, story } = await runScenario(scenario, new Map(place), randomly(seed), seed)
      expect(problems, `seed ${seed}\n${story}`).toEqual([])
    }
  })
})
