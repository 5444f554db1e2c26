import type { Command } from 'commander'
import { parseTarget, pathIn } from '../arguments.js'
import { exit, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { entryJson } from '../render/json.js'
import { shown } from '../render/names.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {}

/** `kloset cat`: files of a snapshot, byte by byte, verified as they are read. */
export const cat: Verb = {
  define(command: Command) {
    command
      .argument('<ID:PATH...>', 'a file in a snapshot')
      .usage('[options] ID:PATH…')
      .description('Write files of a snapshot to stdout, exactly as they were saved.')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
ID is the start of a snapshot's id, what it is called, \`latest\`, or \`latest~2\`
for the second before, each among the snapshots that the options select. PATH is
relative to the snapshot, or absolute as it was when the backup was made. What is
written was verified against its id.

Examples:
  kloset at /var/backups cat latest:hosts
  kloset at /var/backups cat 9abc3294:/etc/hosts | diff - /etc/hosts
  kloset at /var/backups cat latest:db.sqlite > db.sqlite

Exit codes: 0 done, 1 failed (no such snapshot or file), 2 usage, 4 the stored
data is damaged, 10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const targets = args.map((text) => {
      const target = parseTarget(text)
      if (!target.path)
        throw new UsageError(`'${text}' does not name a file`, 'Write a path after the id: latest:etc/hosts')
      return target
    })
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      for (const target of targets) {
        const snapshot = await store.snapshot(target.snapshot, filterOf(flags))
        const path = await pathIn(snapshot, target.path)
        const entry = await snapshot.stat(path)
        if (entry.type !== 'file')
          throw new UsageError(
            `${shown(path)} is a ${entry.type}, not a file`,
            `To see what a folder holds: kloset ls ${target.snapshot}:${shown(path)}; for an archive of it: kloset dump`,
          )
        const file = await snapshot.open(entry)
        await output.emit(entryJson(snapshot, entry))
        for await (const part of file) {
          signal.throwIfAborted()
          await send(part, output)
          if (output.failure) return exit.failed
        }
      }
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

async function send(part: Uint8Array, output: Output): Promise<void> {
  if (output.json) await output.emit({ type: 'content', base64: Buffer.from(part).toString('base64') })
  else await output.write(part)
}
