import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MemoryPlace } from '../../src/storage/index.js'
import { patient, seeded } from './chance.js'
import { runScenario } from './run.js'
import { placeOf, races } from './scenarios.js'
import type { Decisions } from './scheduler.js'

/**
 * KLOSET_PREEMPTIONS: how often a client that could go on has to wait for another, at most. 2 takes an hour. Without it, once, and not
 * before it reads what never changes.
 */
const most = Number(process.env.KLOSET_PREEMPTIONS ?? 1)
const matters = process.env.KLOSET_PREEMPTIONS === undefined ? /^(put|remove|list|get log)/ : /./

/** At these steps another client goes on: the next one in the list of those that can. */
type Preemptions = readonly number[]

/** One client after the other, the one at `first` first, but for the preemptions. */
function inTurn(first: number, preemptions: Preemptions): Decisions {
  let current: string | undefined
  return {
    next(clients, step) {
      const at = current === undefined ? first : clients.indexOf(current)
      // Who comes next when one is done is the first that is left.
      const chosen = (Math.max(0, at) + (preemptions.includes(step) ? 1 : 0)) % clients.length
      current = clients[chosen]
      return chosen
    },
    fate: () => 'fine',
    crashes: () => false,
    arrives: () => false,
  }
}

const restore = patient()
afterAll(restore)

describe.each(races)('$name', (scenario) => {
  let place: MemoryPlace
  beforeAll(async () => {
    const end = seeded(0)
    place = await placeOf(scenario).finally(end)
  })

  it.each(scenario.clients.map((_, i) => i))(
    `is safe in every schedule of ${most} preemptions (client %i first)`,
    { timeout: 3_600_000 },
    async (first) => {
      const pending: Preemptions[] = [[]]
      for (let preemptions = pending.pop(); preemptions !== undefined; preemptions = pending.pop()) {
        const { problems, story, calls } = await runScenario(scenario, new Map(place), inTurn(first, preemptions), 1)
        expect(problems, `preempted at ${preemptions.join()}\n${story}`).toEqual([])
        if (preemptions.length === most) continue
        for (let step = (preemptions.at(-1) ?? 0) + 1; step < calls.length; step++) {
          if (matters.test(calls[step]!)) pending.push([...preemptions, step])
        }
      }
    },
  )
})
