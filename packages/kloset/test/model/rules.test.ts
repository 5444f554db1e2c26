/**
 * The model can see, and each rule is needed: without it a scenario goes wrong. `KLOSET_MODEL=stories` prints how.
 */
import { describe, expect, it } from 'vitest'
import { explore } from './check.js'
import { protocol, type Scenario } from './protocol.js'
import { allRules, type Rules, without } from './rules.js'
import {
  adoption,
  crashes,
  drop,
  grace,
  lateRequests,
  lostPack,
  lostPuts,
  reader,
  repackCrash,
  running,
  secondPurger,
  staleLists,
  staleSwap,
  swap,
  truncation,
  twoCopies,
} from './scenarios.js'

const lost = /^chunk c\d of the live snapshot S\d is lost$/
const gone = /^the log names segment s\d+, which is gone$/

const needed: Readonly<Record<keyof Rules, readonly (readonly [Scenario, RegExp])[]>> = {
  logNamesSegments: [[crashes, lost]],
  adoptsOnlyStored: [[running, lost]],
  adoptsOnlyUnlogged: [[running, gone]],
  removedStaysRemoved: [[running, gone]],
  leavesOutDead: [[adoption, gone]],
  purgeIsEntry: [[swap, lost]],
  deadForEver: [
    [swap, lost],
    [lateRequests, lost],
  ],
  lifts: [[secondPurger, lost]],
  refusesPurged: [[secondPurger, lost]],
  tailCheck: [[crashes, lost]],
  parentIsReliance: [[crashes, lost]],
  ownNonceFirst: [[lostPuts, /^log\/\d and log\/\d are the same commit$/]],
  deletesNothingAfterDoubt: [[lostPuts, lost]],
  choosesAgain: [[twoCopies, lost]],
  countsOnlyListed: [[lostPack, lost]],
  condemnsOnlyCopied: [[staleLists, lost]],
  repackIsOneEntry: [[repackCrash, lost]],
  rebuildsSwap: [[staleSwap, gone]],
  uniqueNames: [[drop, lost]],
  logIsForEver: [[truncation, /^a commit was acknowledged and is not in the log$/]],
  suspectsFirst: [[grace, /stores again$/]],
  plansAgain: [[reader, /^a reader is told that S1 is damaged, and it is not$/]],
}

describe('without one rule', () => {
  it('is known what goes wrong, for each', () =>
    expect(Object.keys(needed).sort()).toEqual(Object.keys(allRules).sort()))

  for (const [rule, scenarios] of Object.entries(needed)) {
    for (const [scenario, wrong] of scenarios) {
      it(`${rule}: ${scenario.name}`, { timeout: 120_000 }, () => {
        const { found, states } = explore(protocol(scenario, without(rule as keyof Rules)))
        expect(found?.what).toMatch(wrong)
        if (process.env.KLOSET_MODEL === 'stories') console.log(tell(rule, found!, states))
      })
    }
  }
})

function tell(rule: string, { what, story }: { what: string; story: readonly string[] }, states: number): string {
  const lines = story.map((sentence, i) => `${String(i + 1).padStart(4)}  ${sentence}`)
  return [`Without ${rule} (${states} states):`, ...lines, `      ${what}`].join('\n')
}
