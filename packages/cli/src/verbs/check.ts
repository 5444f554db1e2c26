import type { Command } from 'commander'
import type { CheckOptions, Finding, SnapshotSelection, Store } from 'kloset'
import { parseSnapshots } from '../arguments.js'
import { exit, Failure, UsageError } from '../exit.js'
import { outputOptions, percent, type SelectFlags, selectionOf, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { counted } from '../render/bytes.js'
import { messageOf } from '../render/errors.js'
import { harmless, shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { readState, writeState } from '../state.js'
import { leave, openAt, type StoreFlags, tell } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly readData?: boolean
  readonly sample?: number
}

/** `kloset check`: verifies a store and says what is wrong with it. */
export const check: Verb = {
  resume: 'Run the same command again: a check changes nothing and starts from the beginning.',

  define(command: Command) {
    command
      .argument('[ID...]', 'only what these snapshots need')
      .usage('[options] [ID…]')
      .description(
        'Verify that the store is whole: by default its structure, that is the log, the index, every folder of every ' +
          'snapshot, and that all packs are there in the right size. To find data that went bad on the disk, read it.',
      )
      .option('--read-data', 'also read and verify all stored data')
      .option(
        '--sample <percent>',
        'also read a part of it, another one each time, so that 10% ten times reads all',
        percent,
      )
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
Each finding tells which object it is about, which files lose data by it, and
what to do. Which part of the data is due for --sample is remembered per store in
$XDG_STATE_HOME/kloset (~/.local/state/kloset); it moves on when a check
completes.

Examples:
  kloset at /var/backups check                   the structure; quick
  kloset at /var/backups check --sample 10%      every night; reads everything in ten nights
  kloset at /var/backups check --read-data 9abc3294

Exit codes: 0 nothing is damaged, 1 failed, 2 usage, 4 damage found,
10 no such store, 12 wrong passphrase, 130 interrupted.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (flags.readData && flags.sample !== undefined)
      throw new UsageError('--read-data and --sample exclude each other', 'Give one of them.')
    const names = parseSnapshots(args, 'a check takes whole snapshots')
    const started = Date.now()
    const store = await openAt(session, flags, { mode: 'read', threads: true })
    try {
      const plan = await planOf(store, flags)
      const snapshots = await chosen(store, selectionOf(names, flags))
      const found = { errors: 0, warnings: 0 }
      const options: CheckOptions = {
        ...(snapshots && { snapshots }),
        read: plan.read,
        signal,
        onProgress: (now) => output.progress(now),
        onEvent: (notice) => tell(notice, output),
      }
      for await (const finding of store.check(options)) {
        if (finding.level === 'error') found.errors++
        else found.warnings++
        if (output.json) await output.emit({ type: 'finding', ...finding })
        else await output.print(...findingLines(finding, output))
      }
      output.progressDone()
      // Only now: a part that was not read to its end is due again.
      if (plan.round !== undefined) await advance(store.id, plan.round, output)
      const took = Date.now() - started
      if (output.json)
        await output.emit({ type: 'summary', ...found, read: plan.read, snapshots: snapshots ?? [], duration: took })
      else if (!output.quiet) await output.print(...summary(found, plan, snapshots ?? [], took, output))
      return found.errors > 0 ? exit.damaged : exit.done
    } finally {
      await leave(store, output)
    }
  },
}

/** The ids of the snapshots to check; undefined for all there is in the store. */
async function chosen(store: Store, selection: SnapshotSelection): Promise<readonly string[] | undefined> {
  if (selection.snapshots === undefined && Object.keys(selection.where ?? {}).length === 0) return undefined
  const snapshots = await store.select(selection)
  // Whoever hears that nothing is damaged must not be left with nothing that was looked at.
  if (snapshots.length === 0) throw new Failure('No snapshot is like that, so nothing was checked')
  return snapshots.map(({ id }) => id)
}

interface Plan {
  readonly read: NonNullable<CheckOptions['read']>
  readonly round: number | undefined
  readonly text: string
}

async function planOf(store: Store, { readData, sample }: Flags): Promise<Plan> {
  if (readData) return { read: 'all', round: undefined, text: 'the structure and all data' }
  if (sample === undefined) return { read: 'structure', round: undefined, text: 'the structure' }
  const { sampleRounds: round } = await readState(store.id)
  const rounds = Math.ceil(100 / sample)
  const text = `the structure and ${sample} % of the data (part ${(round % rounds) + 1} of ${rounds})`
  return { read: { percent: sample, round }, round, text }
}

async function advance(storeId: string, round: number, output: Output): Promise<void> {
  try {
    await writeState(storeId, { sampleRounds: round + 1 })
  } catch (error) {
    output.warn(`the next sample will read the same part again: it could not be remembered (${messageOf(error)})`)
  }
}

const listedAffects = 20

function findingLines(finding: Finding, output: Output): string[] {
  const { red, yellow } = output.colors
  const level = finding.level === 'error' ? red('error') : yellow('warning')
  const affects = finding.affects ?? []
  const more = affects.length - listedAffects
  return [
    `${level}  ${finding.code}  ${harmless(finding.object)}`,
    `  ${harmless(finding.message)}`,
    ...affects.slice(0, listedAffects).map(({ snapshot, path }) => `  affects ${snapshot.slice(0, 8)}:${shown(path)}`),
    ...(more > 0 ? [`  and ${counted(more, 'more', 'more')} (--json lists them)`] : []),
    `  ${harmless(finding.remedy)}`,
  ]
}

function summary(
  found: { readonly errors: number; readonly warnings: number },
  plan: Plan,
  snapshots: readonly string[],
  took: number,
  output: Output,
): string[] {
  const { green, red } = output.colors
  const of = snapshots.length === 0 ? '' : ` of ${snapshots.map((id) => id.slice(0, 8)).join(', ')}`
  const checked = `Checked ${plan.text}${of} in ${duration(took)}.`
  const warnings = found.warnings > 0 ? `, ${counted(found.warnings, 'warning')}` : ''
  if (found.errors > 0) return [`${red('Damage found:')} ${counted(found.errors, 'error')}${warnings}. ${checked}`]
  const advice = plan.read === 'structure' ? ['To find data that went bad as well: --read-data or --sample 10%'] : []
  return [`${green('No damage found')}${warnings}. ${checked}`, ...advice]
}
