import type { Destination, Kept, Source, WorkerSide } from '../../connector/contract.js'
import { fail } from '../assert.js'
import { type Case, casesOf } from '../case.js'
import { fileChecks } from './files.js'
import { folderChecks } from './folders.js'
import { safetyChecks } from './safety.js'
import { plainWriter, type Subject, sideWriter } from './subject.js'

/** What the suite needs to know. */
export interface DestinationConformanceOptions {
  /** Opens a new and empty destination each time. */
  readonly open: () => Promise<Destination>
  /** The worker's part of it, where there is one: every case that writes runs through it, too. */
  readonly side?: (destination: Destination) => Promise<WorkerSide>
  /** How to see what was written, where the destination has no `current`. */
  readonly look?: (destination: Destination) => Promise<Source>
  /** What must be kept, by default folders, symbolic links, modes and times: declaring less does not make it pass. */
  readonly expect?: readonly Kept[]
}

/** The cases that every {@link Destination} passes. Cases that need what is not expected are listed as skipped. */
export function destinationConformance(options: DestinationConformanceOptions): readonly Case[] {
  const { side } = options
  return side ? [...cases(options), ...cases(options, side)] : cases(options)
}

function cases(options: DestinationConformanceOptions, side?: DestinationConformanceOptions['side']): readonly Case[] {
  const { open, look, expect = ['directories', 'symlinks', 'mode', 'mtime'] } = options
  const lacking = (needs: string) => (expect.includes(needs as Kept) ? undefined : needs)
  const checks = [...fileChecks, ...folderChecks, ...safetyChecks].map((check) =>
    side ? { ...check, name: `${check.name}, through a worker's side` } : check,
  )
  return casesOf<Subject>(checks, lacking, async (run) => {
    const destination = await open()
    try {
      const seen = look ? await look(destination) : destination.current
      if (!seen) fail('without `current`, the suite needs `look` to see what was written')
      for (const kept of expect)
        if (!destination.capabilities.keeps.includes(kept)) fail(`the destination keeps ${kept}, as expected of it`)
      const writer = side ? sideWriter(await side(destination)) : plainWriter(destination)
      await run({ destination, writer, seen })
    } finally {
      await destination.close({ complete: true })
    }
  })
}
