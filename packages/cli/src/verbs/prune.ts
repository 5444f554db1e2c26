import type { Command } from 'commander'
import type { PackCount, PruneOptions, PruneResult } from 'kloset'
import { exit } from '../exit.js'
import { outputOptions, writtenStoreOptions } from '../options.js'
import { bytes, counted } from '../render/bytes.js'
import { duration, localTime, parseDuration } from '../render/times.js'
import { leave, openAt, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags {
  readonly dryRun?: boolean
  readonly delay?: number
  readonly grace?: number
}

/** `kloset prune`: deletes what no snapshot needs, in two steps, while others go on working. */
export const prune: Verb = {
  changes: true,
  resume: 'Run the same command again: what was deleted is gone, and the rest is found again.',

  define(command: Command) {
    command
      .usage('[options]')
      .description(
        'Delete packs of data that no snapshot needs, after snapshots were forgotten or backups were interrupted. That takes two runs: ' +
          'one condemns them, and a later one, a day after, deletes them. Meanwhile what was forgotten can be brought back, and ' +
          'whoever reads it goes on undisturbed. Backups may run at any time.',
      )
      .option('--dry-run', 'only say what would be done')
      .option(
        '--delay <time>',
        'how long after it was condemned a pack is deleted; default 24h, 0: at once',
        parseDuration,
      )
      .option(
        '--grace <time>',
        'how long packs are left alone that may belong to a backup that is running; default 7d',
        parseDuration,
      )
    outputOptions(writtenStoreOptions(command)).addHelpText(
      'after',
      `
A pack holds the data of many files: it is deleted when no snapshot needs anything
in it. What is needed by no snapshot but shares its pack with something that is
stays for now; the last line says how much that is.

Examples:
  kloset at /var/backups prune                every day, after forget
  kloset at /var/backups prune --dry-run
  kloset at /var/backups prune --delay 0      at once: nothing can be brought back

Exit codes: 0 done, 1 failed, 2 usage, 4 the stored data is damaged, 10 no such
store, 12 wrong passphrase, 130 interrupted.`,
    )
  },

  async run(_args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const dryRun = flags.dryRun === true
    const options: PruneOptions = {
      ...(flags.delay !== undefined && { delay: flags.delay }),
      ...(flags.grace !== undefined && { grace: flags.grace }),
      signal,
      onProgress: (now) => output.progress(now),
      onEvent: (notice) => tell(notice, output),
    }
    const store = await openAt(session, flags, { mode: dryRun ? 'read' : 'write' })
    try {
      // A person hears what will happen before it does; a script does not wait for that.
      if (!dryRun && !output.json && !output.quiet) {
        const plan = await store.prune({ ...options, dryRun: true })
        output.progressDone()
        for (const line of planLines(plan)) output.note(line)
      }
      const result = await store.prune({ ...options, dryRun })
      output.progressDone()
      if (output.json) await output.emit({ type: 'summary', dryRun, ...result })
      else if (!output.quiet) await output.print(...resultLines(result, dryRun))
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

function planLines({ purged, condemned, segments }: PruneResult): string[] {
  const steps = [
    ...(purged.packs > 0 ? [`delete ${packs(purged)}`] : []),
    ...(condemned.packs > 0 ? [`condemn ${packs(condemned)}`] : []),
    ...(segments > 0 ? [`replace ${counted(segments, 'index segment')}`] : []),
  ]
  return steps.length === 0 ? [] : [`Going to ${steps.join(', ')}.`]
}

function resultLines(result: PruneResult, dryRun: boolean): string[] {
  const { purged, condemned, waiting, suspects, kept, unused } = result
  const took = `(${duration(result.duration)})`
  const until = waiting.until === undefined ? '' : ` after ${localTime(waiting.until)}`
  const [would, be] = dryRun ? ['would be ', 'would wait'] : ['', 'waiting']
  const head =
    purged.packs > 0
      ? `${dryRun ? 'Dry run: would free' : 'Freed'} ${bytes(purged.bytes)}: ${packs(purged)} ${dryRun ? 'would be ' : ''}deleted  ${took}`
      : `${dryRun ? 'Dry run: nothing would be freed.' : 'Nothing was freed.'}  ${took}`
  return [
    head,
    ...(condemned.packs > 0 ? [`  ${would}condemned: ${packs(condemned)} that no snapshot needs`] : []),
    ...(waiting.packs > 0 ? [`  ${be}: ${packs(waiting)}, for a prune${until}; at once: kloset prune --delay 0`] : []),
    ...(suspects.packs > 0 ? [`  left alone: ${packs(suspects)} of backups that were interrupted or are running`] : []),
    `  kept: ${packs(kept)}${unused > 0 ? `, of which ${bytes(unused)} are needed by no snapshot` : ''}`,
  ]
}

function packs({ packs, bytes: size }: PackCount): string {
  return `${counted(packs, 'pack')} of ${bytes(size)}`
}
