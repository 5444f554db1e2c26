import type { Command } from 'commander'
import type { StoreInfo } from 'kloset'
import { exit } from '../exit.js'
import { outputOptions, storeOptions } from '../options.js'
import { bytes, count } from '../render/bytes.js'
import { harmless, shown } from '../render/names.js'
import { pairs } from '../render/table.js'
import { localTime } from '../render/times.js'
import { openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

/** `kloset info`: what a store is and what it holds. */
export const info: Verb = {
  define(command: Command) {
    command.description('Describe the store: how it was made, how much it holds, and what unlocks it.')
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
Examples:
  kloset at /var/backups info
  kloset at /var/backups info --json | jq .stored     bytes that the store takes

Exit codes: 0 done, 1 failed, 10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(_args: readonly string[], flags: StoreFlags, session: Session) {
    const { output } = session
    const store = await openAt(session, flags, 'read')
    try {
      const about = await store.info()
      if (output.json) await output.emit({ type: 'store', ...about })
      else await output.print(...lines(about))
    } finally {
      await store.close()
    }
    return exit.done
  },
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
      ['chunks', count(about.chunks)],
      ['stored', `${bytes(about.stored)} in ${count(about.packs)} packs`],
      ['index', `${count(about.segments)} segments, log entry ${count(about.head)}`],
    ]),
    ...about.keys.map((key) =>
      `${key.kind} ${key.id.slice(0, 8)}  since ${localTime(key.created)}  ${harmless(key.label)}`.trimEnd(),
    ),
  ]
}
