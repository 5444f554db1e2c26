import type { Command } from 'commander'
import { exit, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import { messageOf } from '../render/errors.js'
import { failedJson } from '../render/json.js'
import { shown } from '../render/names.js'
import { leave, locationOf, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  readonly allowOther?: boolean
}

/** `kloset mount`: snapshots as folders of this machine, until it is stopped. */
export const mount: Verb = {
  changes: true,

  define(command: Command) {
    command
      .argument('<DIR>', 'an empty folder')
      .usage('DIR [options]')
      .description(
        'Show the snapshots as folders in DIR, read-only, until Ctrl-C or until DIR is unmounted. Snapshots that are made ' +
          'meanwhile appear by themselves. What is read is fetched and verified as it is needed.',
      )
      .option('--allow-other', 'let other users in, each with the rights that the files give (needs root or fuse.conf)')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
In DIR are:
  latest                              the newest snapshot
  ids/9abc3294                        each snapshot, by its id
  times/2026-11-20T15-57-33Z          by its time, in UTC
  hosts/nas/2026-11-20T15-57-33Z      by host and time; hosts/nas/latest
  tags/daily/2026-11-20T15-57-33Z     by tag and time; tags/daily/latest

Owners, permissions, links and extended attributes are as they were saved. A
symbolic link is one: it may lead out of DIR. Set-user-ID bits and devices have no
effect. Whatever is damaged cannot be read; nothing else is ever shown in its place.

It takes Linux with FUSE (/dev/fuse). Root needs nothing more; other users need
fusermount3 (Debian: apt install fuse3) and the package koffi. Elsewhere,
\`kloset serve --webdav\` shows the same folders.

Examples:
  kloset at /var/backups mount /mnt/backups
  kloset at @offsite mount ~/backups --host nas --since 30d
  diff -r /etc /mnt/backups/hosts/nas/latest

Exit codes: 0 unmounted, 1 failed, 2 usage, 4 the stored data is damaged,
10 no such store, 12 wrong passphrase, 130 stopped while it was in use.`,
    )
  },

  async run([folder = '', ...more]: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (more.length > 0) throw new UsageError('more than one folder is given', 'Mount at one.')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      const { mountStore } = await import('@kloset/serve')
      const mounted = await mountStore(store, folder, {
        where: filterOf(flags),
        allowOther: flags.allowOther === true,
        onFailed: (path, error) => {
          if (output.json) void output.emit(failedJson({ path, error }))
          else output.warn(`${path === '' ? '' : `${shown(path)}: `}${messageOf(error)}`)
        },
      })
      await output.emit({ type: 'mounted', folder: mounted.folder })
      output.note(`Mounted ${locationOf(session)} at ${shown(mounted.folder)}, read-only. Ctrl-C unmounts it.`)
      const stop = async (): Promise<void> => {
        if (await mounted.unmount()) return
        output.note('It is still in use, and goes on out of sight until nobody uses it any more.')
      }
      signal.addEventListener('abort', () => void stop())
      if (signal.aborted) void stop()
      await mounted.ended
      await output.emit({ type: 'unmounted', folder: mounted.folder })
      output.note(`Unmounted ${shown(mounted.folder)}.`)
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}
