import type { MemoryPlace } from '../../src/storage/index.js'
import { seeded } from './chance.js'
import { act, openAt, type Scenario } from './scenarios.js'
import { type Decisions, Scheduler } from './scheduler.js'
import { failureOf, problemsOf } from './verdict.js'

/** Runs the clients of a scenario as decided; gives what is wrong afterwards, and the story for who wants to know why. */
export async function runScenario(
  { clients }: Scenario,
  place: MemoryPlace,
  decisions: Decisions,
  seed: number,
): Promise<{ readonly problems: readonly string[]; readonly story: string; readonly calls: readonly string[] }> {
  const scheduler = new Scheduler(place, decisions)
  const acknowledged: string[] = []
  const running = clients.map((deeds, i) =>
    scheduler.add(`${String.fromCharCode(65 + i)} ${deeds.map(({ does }) => does).join('+')}`, async (storage) => {
      const store = await openAt(storage)
      for (const deed of deeds) {
        const result = await act(store, deed)
        if (deed.does === 'backup') acknowledged.push(result as string)
      }
    }),
  )
  const end = seeded(seed)
  await scheduler.run().finally(end)
  const failures = running.flatMap(({ outcome }) => failureOf(outcome()) ?? [])
  const problems = [...failures, ...(await problemsOf(place, acknowledged))]
  const story = scheduler.steps
    .map(({ client, call }) => `${client}: ${call.replaceAll(/[0-9a-f]{56}\b/g, '…')}`)
    .join('\n')
  return { problems, story, calls: scheduler.steps.map(({ call }) => call) }
}
