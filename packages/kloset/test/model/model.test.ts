/**
 * Every scenario of the commit protocol (docs/protocol.md), explored to the end: nothing is ever lost, and whoever does not crash can
 * come to his end from wherever he is. `KLOSET_MODEL=long` adds those that take minutes.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { explore } from './check.js'
import { protocol, type Scenario } from './protocol.js'
import { longScenarios, scenarios } from './scenarios.js'

const page = readFileSync(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8')

describe('the commit protocol', () => {
  for (const scenario of scenarios) holds(scenario, 300_000)
})

describe.runIf(process.env.KLOSET_MODEL === 'long')('the commit protocol, at length', () => {
  for (const scenario of longScenarios) holds(scenario, 3_600_000)
})

/** The number of states is part of the test: whoever changes the model sees whether he changed what it can do. */
function holds(scenario: Scenario, timeout: number): void {
  it(`${scenario.name}: ${scenario.states} states`, { timeout }, () => {
    const { found, complete, states } = explore(protocol(scenario))
    expect(found).toBeUndefined()
    expect(complete).toBe(true)
    expect(states).toBe(scenario.states)
    expect(page).toContain(`| ${scenario.name} | ${states.toLocaleString('en')} |`)
  })
}
