import type { Command } from 'commander'
import { isKlosetError, type KlosetError, type KlosetErrorCode } from 'kloset/connector'
import { exit, Failure } from '../exit.js'
import { outputOptions, storeOptions } from '../options.js'
import { askYesNo, canAsk } from '../prompt.js'
import { count, counted } from '../render/bytes.js'
import { harmless } from '../render/names.js'
import { leave, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags {
  readonly yes?: boolean
}

/** `kloset trust`: accepts a store that is not the one this machine knew. */
export const trust: Verb = {
  changes: true,

  define(command: Command) {
    command
      .usage('[options]')
      .description(
        'Accept a store as it is now, after it was refused because it is another one than this machine last saw there, its keys are others, or its ' +
          'log went back or split: because somebody put another store or an old copy in its place, a disk was restored, or two of its copies were ' +
          'written to. Find out why first: who can write to the store can hide snapshots that way, or have you back up into a store of theirs.',
      )
      .option('--yes', 'do not ask')
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
Only this machine's memory changes ($XDG_STATE_HOME/kloset); the store is not
written to. Other machines that know it will each refuse it until they are told.

Examples:
  kloset at /var/backups trust          says what is different, and asks
  kloset at /var/backups check          afterwards: is what is there whole?

Exit codes: 0 accepted, or there was nothing to accept, 1 failed or not accepted,
10 no such store, 12 wrong passphrase.`,
    )
  },

  async run(_args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    const doubt = await doubtAbout(session, flags)
    if (doubt === undefined) {
      if (output.json) await output.emit({ type: 'summary', changed: false })
      else if (!output.quiet) await output.print('The store is as this machine knows it: there is nothing to accept.')
      return exit.done
    }
    if (!output.json) output.error(harmless(doubt.message))
    if (!flags.yes) {
      if (!canAsk())
        throw new Failure(
          'the store was not accepted: there is no terminal to ask',
          'If it is as you want it: --yes',
          doubt,
        )
      if (!(await askYesNo('Accept the store as it is now?', signal))) throw new Failure('the store was not accepted')
    }
    const store = await openAt(session, flags, { mode: 'read', trust: true })
    try {
      const { head, snapshots } = await store.info()
      if (output.json) {
        const { message, context } = doubt
        await output.emit({ type: 'summary', changed: true, message, context, head, snapshots })
      } else if (!output.quiet)
        await output.print(`Accepted, with ${counted(snapshots, 'snapshot')} up to log entry ${count(head)}.`)
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

/** What this machine refuses because it remembers something else. */
const changed: readonly KlosetErrorCode[] = ['KLOSET_LOG_CHANGED', 'KLOSET_STORE_CHANGED', 'KLOSET_KEYS_CHANGED']

async function doubtAbout(session: Session, flags: Flags): Promise<KlosetError | undefined> {
  try {
    const store = await openAt(session, flags, { mode: 'read' })
    await store.close()
    return undefined
  } catch (error) {
    if (isKlosetError(error) && changed.includes(error.code)) return error
    // A store without encryption in the place of one with it.
    if (isKlosetError(error, 'KLOSET_NOT_ENCRYPTED') && 'before' in error.context) return error
    throw error
  }
}
