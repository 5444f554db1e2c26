import type { Command } from 'commander'
import type { SnapshotStats, StoreStats } from 'kloset'
import { parseSnapshots } from '../arguments.js'
import { exit } from '../exit.js'
import { outputOptions, type SelectFlags, selectionOf, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { bytes, count, counted } from '../render/bytes.js'
import { snapshotCells } from '../render/snapshots.js'
import { Columns, pairs } from '../render/table.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly snapshots?: boolean
}

/** `kloset stats`: how much snapshots hold, and what they take. */
export const stats: Verb = {
  define(command: Command) {
    command
      .argument('[ID...]', 'only these snapshots')
      .usage('[options] [ID…]')
      .description(
        'Tell how much snapshots hold and what they take in the store: all of them, or those that are selected. With --snapshots, ' +
          'also what each has to itself, which is what forgetting it and a prune can free.',
      )
      .option('--snapshots', 'also each snapshot: its size, and what no other snapshot of the store needs')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
  restored      bytes of all files of all these snapshots, as they would be restored
  unique        bytes of the chunks in them, each once; and the ratio to the above
  stored        bytes that these chunks take in packs, compressed
  metadata      the same of the nodes of trees
  only here     (--snapshots) what no other snapshot of the store needs

Chunks share a compressed frame with their neighbours; each counts with its share
of it. Trees and the index are read, and no content; what is read stays on this
machine, so the next time is quicker.

Examples:
  kloset at /var/backups stats
  kloset at /var/backups stats --snapshots --host nas
  kloset at /var/backups stats latest                       what one needs
  kloset at /var/backups stats --json | jq 'select(.type == "summary") | .ratios.total'

Exit codes: 0 done, 1 failed, 2 usage, 4 the stored data is damaged, 10 no such
store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const names = parseSnapshots(args, 'stats are of whole snapshots')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      const found = await store.stats({
        ...selectionOf(names, flags),
        signal,
        onProgress: (now) => output.progress(now),
      })
      output.progressDone()
      if (output.json) await emit(found, flags.snapshots === true, output)
      else if (found.snapshots.length === 0) output.note('No snapshot is like that.')
      else {
        if (flags.snapshots) await output.print(...snapshotLines(found, output), '')
        await output.print(...lines(found))
      }
      if (found.missing > 0)
        output.warn(
          `${counted(found.missing, 'chunk or node', 'chunks and nodes')} that they need are missing; see: kloset check`,
        )
      return found.missing > 0 ? exit.damaged : exit.done
    } finally {
      await leave(store, output)
    }
  },
}

async function emit(found: StoreStats, each: boolean, output: Output): Promise<void> {
  const { snapshots, totals, data, metadata, missing, store } = found
  if (each) {
    for (const { snapshot, data: own, metadata: nodes } of snapshots) {
      const { id, totals: held } = snapshot
      await output.emit({ type: 'share', snapshot: id, totals: held, data: own, metadata: nodes })
    }
  }
  const ratios = ratiosOf(found)
  await output.emit({ type: 'summary', snapshots: snapshots.length, totals, data, metadata, missing, ratios, store })
}

/** How many times smaller it got; absent where there is nothing to compare. */
function ratiosOf({ totals, data }: StoreStats): {
  readonly deduplication: number | undefined
  readonly compression: number | undefined
  readonly total: number | undefined
} {
  const ratio = (from: number, to: number): number | undefined =>
    to === 0 ? undefined : Math.round((from / to) * 1000) / 1000
  return {
    deduplication: ratio(totals.bytes, data.bytes),
    compression: ratio(data.bytes, data.stored),
    total: ratio(totals.bytes, data.stored),
  }
}

function lines(found: StoreStats): string[] {
  const { snapshots, totals, data, metadata, store } = found
  const { deduplication, compression, total } = ratiosOf(found)
  const times = (ratio: number | undefined, what: string): string =>
    ratio === undefined ? '' : `, ${ratio.toFixed(2)}x by ${what}`
  return pairs([
    ['snapshots', count(snapshots.length)],
    ['restored', `${bytes(totals.bytes)} in ${counted(totals.files, 'file')}`],
    ['unique', `${bytes(data.bytes)} in ${counted(data.count, 'chunk')}${times(deduplication, 'deduplication')}`],
    ['stored', `${bytes(data.stored)}${times(compression, 'compression')}${times(total, 'both')}`],
    ['metadata', `${bytes(metadata.bytes)} in ${counted(metadata.count, 'node')}, stored ${bytes(metadata.stored)}`],
    ...(store === undefined ? [] : storeRows(store)),
  ])
}

function storeRows({ packs, index, unneeded }: NonNullable<StoreStats['store']>): [string, string][] {
  return [
    ['packs', `${bytes(packs.bytes)} in ${counted(packs.packs, 'pack')}`],
    ['unneeded', `${bytes(unneeded)}${unneeded > 0 ? ' of that; to free what is in whole packs: kloset prune' : ''}`],
    ['index', `${bytes(index.bytes)} in ${counted(index.segments, 'segment')}`],
  ]
}

function snapshotLines({ snapshots }: StoreStats, output: Output): string[] {
  const columns = new Columns(['left', 'left', 'right', 'right', 'right', 'right', 'left', 'left'])
  const cells = ({ snapshot, data, metadata }: SnapshotStats): string[] => {
    const [id, time, size, , host, saved] = snapshotCells(snapshot)
    const stored = bytes(data.stored + metadata.stored)
    return [id!, time!, size!, count(data.count), bytes(data.bytes), stored, host!, saved!]
  }
  const heading = ['id', 'time', 'size', 'chunks only here', 'unique', 'stored', 'host', 'saved']
  const [first, ...rest] = columns.lines([heading, ...snapshots.map(cells)])
  return [output.colors.bold(first!), ...rest]
}
