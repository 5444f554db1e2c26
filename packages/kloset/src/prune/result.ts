import type { PackCount, PruneResult } from '../api.js'
import type { PackFate } from '../log/index.js'
import type { Look, PruneSettings } from './run.js'

/** What came of a prune, or would. */
export interface Outcome {
  /** What the log says of packs afterwards. */
  readonly fates: ReadonlyMap<string, PackFate>
  readonly condemned: ReadonlySet<string>
  readonly purged: ReadonlySet<string>
  /** Index segments that were removed. */
  readonly segments: number
}

/** The figures of a prune. */
export function resultOf(
  { listed, survey }: Look,
  { fates, condemned, purged, segments }: Outcome,
  { delay }: PruneSettings,
  duration: number,
): PruneResult {
  const count = (packs: Iterable<string>): PackCount => {
    const there = [...packs].filter((pack) => listed.has(pack))
    return { packs: there.length, bytes: there.reduce((sum, pack) => sum + listed.get(pack)!, 0) }
  }
  const fateOf = (pack: string): PackFate['fate'] | undefined => fates.get(pack)?.fate
  const isStanding = (pack: string): boolean =>
    !purged.has(pack) && (fateOf(pack) === undefined || fateOf(pack) === 'suspect')
  const waiting = [...fates].filter(([, { fate }]) => fate === 'condemned')
  const kept = [...survey.packs.values()].filter(({ name }) => listed.has(name) && isStanding(name))
  const unused = kept.reduce((sum, { sealed, liveSealed }) => sum + Math.max(0, sealed - liveSealed), 0)
  const first = waiting.reduce((least, [, { time }]) => Math.min(least, time), Number.POSITIVE_INFINITY)
  return {
    purged: count(purged),
    condemned: count(condemned),
    waiting: {
      ...count(waiting.map(([pack]) => pack)),
      until: waiting.length === 0 ? undefined : new Date(first + delay),
    },
    suspects: count([...listed.keys()].filter((pack) => !survey.packs.has(pack) && isStanding(pack))),
    kept: count(kept.map(({ name }) => name)),
    unused: Math.round(unused),
    segments,
    duration,
  }
}
