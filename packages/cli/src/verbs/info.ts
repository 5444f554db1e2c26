import type { Command } from 'commander'
import type { SnapshotCopies, Store, StoreInfo } from 'kloset'
import { exit } from '../exit.js'
import { safe } from '../locations.js'
import { outputOptions, peerOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { bytes, count, counted } from '../render/bytes.js'
import { snapshotJson } from '../render/json.js'
import { harmless, shown } from '../render/names.js'
import { snapshotCells } from '../render/snapshots.js'
import { Columns, pairs } from '../render/table.js'
import { localTime } from '../render/times.js'
import { leave, openAt, openPeer, ownPlace, type PeerFlags, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, PeerFlags {
  readonly copies?: readonly string[]
}

/** `kloset info`: what a store is and what it holds. */
export const info: Verb = {
  define(command: Command) {
    command
      .usage('[options]')
      .description('Describe the store: how it was made, how much it holds, and what unlocks it.')
      .option('--copies <store...>', 'tell instead which snapshots there are in which of these stores, and in this one')
    peerOptions(storeOptions(command), 'The stores of --copies')
    outputOptions(command).addHelpText(
      'after',
      `
Examples:
  kloset at /var/backups info
  kloset at /var/backups info --json | jq .stored     bytes that the store takes
  kloset at /var/backups info --copies @nas @offsite

Exit codes: 0 done, 1 failed, 10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(_args: readonly string[], flags: Flags, session: Session) {
    const { output } = session
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      if (flags.copies) return await showCopies(store, flags.copies, flags, session)
      const about = await store.info()
      if (output.json) await output.emit({ type: 'store', ...about })
      else await output.print(...lines(about))
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

async function showCopies(own: Store, others: readonly string[], flags: Flags, session: Session): Promise<number> {
  const { output } = session
  const stores = [own]
  try {
    for (const written of others) stores.push(await openPeer(session, written, flags, { mode: 'read' }))
    const { copiesOf } = await import('kloset')
    const all = await copiesOf(stores)
    if (output.json) {
      const locations = stores.map(({ location }) => location)
      for (const { snapshot, places } of all) {
        const where = places.map((place, at) => ({ location: locations[at], place }))
        await output.emit({ ...snapshotJson(snapshot), type: 'copies', places: where })
      }
    } else if (all.length === 0) output.note('No snapshots yet.')
    else await output.print(...copyLines(all, [(await ownPlace(session, flags)).shown, ...others.map(safe)], output))
  } finally {
    for (const peer of stores.slice(1)) await leave(peer, output)
  }
  return exit.done
}

function copyLines(all: readonly SnapshotCopies[], places: readonly string[], output: Output): string[] {
  const columns = new Columns(['left', 'left', 'right', 'left', ...places.map(() => 'left' as const)])
  const rows = all.map(({ snapshot, places }) => {
    const [id, time, size, , , saved] = snapshotCells(snapshot)
    return [id!, time!, size!, saved!, ...places.map((place) => marks[place])]
  })
  const [heading, ...lines] = columns.lines([['id', 'time', 'size', 'saved', ...places.map(shown)], ...rows])
  return [output.colors.bold(heading!), ...lines]
}

const marks = { present: 'yes', forgotten: 'forgotten', absent: '-' } as const satisfies Record<
  SnapshotCopies['places'][number],
  string
>

function takenText({ oldest, newest }: StoreInfo): string {
  return oldest && newest ? `from ${localTime(oldest)} to ${localTime(newest)}` : '-'
}

function lines(about: StoreInfo): string[] {
  const { chunker } = about
  return [
    ...pairs([
      ['store', shown(about.location)],
      ['id', about.id],
      ['created', localTime(about.created)],
      ['format', `version ${about.version}`],
      ['encryption', about.encryption === 'none' ? 'none (plaintext)' : about.encryption],
      ['compression', about.codec],
      ['chunks of', `${bytes(chunker.normal)} (${bytes(chunker.min)} to ${bytes(chunker.max)})`],
      ['snapshots', count(about.snapshots)],
      ['taken', takenText(about)],
      ['hold', `${bytes(about.totals.bytes)} in ${counted(about.totals.files, 'file')}`],
      ['chunks', count(about.chunks)],
      ['stored', `${bytes(about.stored)} in ${count(about.packs)} packs`],
      ...(about.space.free === undefined ? [] : [['free there', bytes(about.space.free)] as const]),
      ['index', `${count(about.segments)} segments, log entry ${count(about.head)}`],
    ]),
    ...about.keys.map((key) =>
      `${key.kind} ${key.id.slice(0, 8)}  since ${localTime(key.created)}  ${harmless(key.label)}`.trimEnd(),
    ),
  ]
}
