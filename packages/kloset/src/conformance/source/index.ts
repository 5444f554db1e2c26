import type { Source, WorkerSide } from '../../connector/contract.js'
import { type Case, casesOf } from '../case.js'
import { readChecks } from './reads.js'
import { scanChecks } from './scans.js'
import { sideChecks } from './sides.js'
import type { Subject } from './subject.js'

/** What the suite needs to know. */
export interface SourceConformanceOptions {
  /**
   * Opens one and the same source each time. Nothing changes in it while the suite runs, all of it can be read, and it holds at
   * least two folders with files, one below the other, and a file of at least 1,000 bytes.
   */
  readonly open: () => Promise<Source>
  /** The worker's part of it, where there is one: it is held to the plain methods. */
  readonly side?: (source: Source) => Promise<WorkerSide>
  /** What must be there, by default everything: declaring less does not make it pass. */
  readonly expect?: {
    readonly folders?: boolean
    readonly random?: boolean
    readonly ranges?: boolean
    readonly inspects?: boolean
  }
}

/** The cases that every {@link Source} passes. Cases that need what is not expected are listed as skipped. */
export function sourceConformance({ open, side, expect = {} }: SourceConformanceOptions): readonly Case[] {
  const expected: Record<string, boolean> = {
    folders: true,
    random: true,
    ranges: true,
    inspects: true,
    ...expect,
    side: side !== undefined,
  }
  const checks = [...scanChecks, ...readChecks, ...sideChecks]
  const lacking = (needs: string) => (expected[needs] ? undefined : needs)
  return casesOf<Subject>(checks, lacking, async (run) => {
    const source = await open()
    try {
      await run({ source, side: await side?.(source), expected })
    } finally {
      await source.close()
    }
  })
}
