import { Command, CommanderError } from 'commander'
import { parseCommandLine, processArguments } from './arguments.js'
import { readConfiguration } from './configuration.js'
import { exit, exitCodeOf, Interrupted, UsageError } from './exit.js'
import { interruption } from './interrupt.js'
import { safe } from './locations.js'
import type { OutputFlags } from './options.js'
import { Output } from './output.js'
import { colorsFor } from './render/colors.js'
import { errorLines, hintOf, type Situation } from './render/errors.js'
import { errorJson } from './render/json.js'
import type { Verb } from './verb.js'

/** Runs the command line of this process and returns the exit code. */
export async function main(): Promise<number> {
  const args = processArguments()
  // Known before anything is parsed, so that a mistake in the command line is told in the form that was asked for.
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  const output = new Output({
    json: options.includes('--json'),
    quiet: options.some((option) => option === '--quiet' || /^-[a-z]*q[a-z]*$/.test(option)),
    verbose: options.some((option) => option === '--verbose' || /^-[a-z]*v[a-z]*$/.test(option)),
  })
  const situation: Mutable<Situation> = { verb: undefined, store: undefined }
  // What breaks outside of all that is waited for is told as any other error, and ends the command.
  process.once('uncaughtException', (error) => void report(error, output, situation).then((code) => process.exit(code)))
  let code: number
  try {
    code = await run(args, output, situation)
  } catch (error) {
    code = await report(error, output, situation)
  }
  await output.flush()
  if (output.failure) {
    for (const line of errorLines(output.failure, situation, output.verbose)) output.error(line)
    return code === exit.done ? exit.failed : code
  }
  return code
}

interface Summary {
  readonly summary: string
  load(): Promise<Verb>
}

/** All verbs, in the order in which a person meets them. */
export const verbs: Readonly<Record<string, Summary>> = {
  create: { summary: 'make a new store', load: async () => (await import('./verbs/create.js')).create },
  backup: { summary: 'save folders as a new snapshot', load: async () => (await import('./verbs/backup.js')).backup },
  ls: { summary: 'list snapshots, or what is in one', load: async () => (await import('./verbs/ls.js')).ls },
  cat: { summary: 'write a file of a snapshot to stdout', load: async () => (await import('./verbs/cat.js')).cat },
  dump: {
    summary: 'write a snapshot as a tar or zip archive',
    load: async () => (await import('./verbs/dump.js')).dump,
  },
  find: { summary: 'search snapshots for files', load: async () => (await import('./verbs/find.js')).find },
  mount: { summary: 'show snapshots as folders', load: async () => (await import('./verbs/mount.js')).mount },
  serve: { summary: 'show snapshots over WebDAV', load: async () => (await import('./verbs/serve.js')).serve },
  diff: {
    summary: 'tell what is different between two snapshots',
    load: async () => (await import('./verbs/diff.js')).diff,
  },
  restore: { summary: 'bring a snapshot back', load: async () => (await import('./verbs/restore.js')).restore },
  check: { summary: 'verify that all is there and whole', load: async () => (await import('./verbs/check.js')).check },
  sync: {
    summary: 'copy snapshots to or from another store',
    load: async () => (await import('./verbs/sync.js')).sync,
  },
  import: {
    summary: 'bring the snapshots of a restic repository over',
    load: async () => (await import('./verbs/import.js')).importing,
  },
  forget: { summary: 'take snapshots out of the store', load: async () => (await import('./verbs/forget.js')).forget },
  undelete: {
    summary: 'bring forgotten snapshots back',
    load: async () => (await import('./verbs/undelete.js')).undelete,
  },
  tag: { summary: 'give tags to snapshots, or take them away', load: async () => (await import('./verbs/tag.js')).tag },
  rename: {
    summary: 'change what a snapshot is called',
    load: async () => (await import('./verbs/rename.js')).rename,
  },
  prune: { summary: 'delete what no snapshot needs', load: async () => (await import('./verbs/prune.js')).prune },
  stats: {
    summary: 'tell how much snapshots hold and take',
    load: async () => (await import('./verbs/stats.js')).stats,
  },
  info: {
    summary: 'describe the store, or where snapshots have copies',
    load: async () => (await import('./verbs/info.js')).info,
  },
  trust: {
    summary: 'accept a store that changed behind our back',
    load: async () => (await import('./verbs/trust.js')).trust,
  },
  ping: {
    summary: 'find out whether a place can be reached, and why not',
    load: async () => (await import('./verbs/ping.js')).ping,
  },
  config: { summary: 'give locations names', load: async () => (await import('./verbs/config.js')).config },
  completion: {
    summary: 'make Tab complete command lines',
    load: async () => (await import('./verbs/completion.js')).completion,
  },
  version: { summary: 'show the version', load: async () => (await import('./verbs/version.js')).version },
}

const examples = `
Start with:
  kloset at /var/backups create            make a store; asks for a passphrase twice
  kloset at /var/backups backup /etc       save a folder
  kloset at /var/backups ls                see the snapshots
  kloset at /var/backups restore --to /tmp/restore latest

STORE is a folder, s3://HOST:PORT/BUCKET/PREFIX, sftp://USER@HOST/FOLDER, or @NAME
of the configuration (\`kloset help config\`). Without \`at STORE\`, KLOSET_STORE
says which, or the configuration's default.
\`kloset help VERB\` tells all about a verb, with examples.

Exit codes: 0 done, 1 failed, 2 usage, 3 done but some files could not be read or
restored, 4 damage found, 10 no such store, 12 wrong passphrase, 130 interrupted.`

async function run(args: readonly string[], output: Output, situation: Mutable<Situation>): Promise<number> {
  const line = parseCommandLine(args)
  situation.written = line.store
  // `help VERB` and `VERB --help` are one.
  const wanted = line.verb === 'help' ? line.rest.find((word) => !word.startsWith('-')) : line.verb
  const help = line.verb === 'help' || line.rest.includes('--help') || line.rest.includes('-h')
  situation.verb = wanted
  let code: number = exit.done

  const program = root(output)
  for (const [name, { summary, load }] of Object.entries(verbs)) {
    const command = program.command(name).description(summary)
    if (name !== wanted) continue
    const verb = await load()
    verb.define(command)
    command.action(async () => {
      code = await perform(verb, command, literalOf(line.rest), output, situation)
    })
  }
  if (wanted === undefined) {
    if (line.verb === undefined && line.rest.some((word) => word === '--version' || word === '-V')) {
      await output.print(`kloset ${KLOSET_VERSION}`)
      return exit.done
    }
    if (!help && line.rest.length > 0) throw new UsageError(`no verb after ${line.rest.join(' ')}`, 'See: kloset help')
    program.outputHelp({ error: !help })
    return help ? exit.done : exit.usage
  }
  try {
    await program.parseAsync(
      line.verb === 'help' ? [wanted, ...(Object.hasOwn(verbs, wanted) ? ['--help'] : [])] : [wanted, ...line.rest],
      { from: 'user' },
    )
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return exit.done
    throw asUsage(error, Object.hasOwn(verbs, wanted) ? wanted : undefined)
  }
  return code
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function literalOf(rest: readonly string[]): readonly string[] {
  const dashes = rest.indexOf('--')
  return dashes < 0 ? [] : rest.slice(dashes + 1)
}

async function perform(
  verb: Verb,
  command: Command,
  literal: readonly string[],
  output: Output,
  situation: Mutable<Situation>,
): Promise<number> {
  refuseEmpty(command, literal, verb)
  const location = verb.storeless ? undefined : await storeOf(situation)
  const stopping = interruption(output, verb.resume)
  // A verb that only shows something has nothing left to do when nobody looks; one that changes something goes on.
  output.onStdoutLost = (gone) => {
    if (gone && !verb.changes) process.exit(exit.done)
  }
  try {
    return await verb.run(command.args, command.opts<OutputFlags>(), {
      location,
      output,
      literal,
      signal: stopping.signal,
    })
  } catch (error) {
    // Whatever broke because of the stop is not what the person wants to hear about.
    if (stopping.signal.aborted && !(error instanceof Interrupted)) throw new Interrupted(verb.resume)
    throw error
  } finally {
    output.progressDone()
    stopping.end()
  }
}

/**
 * Refuses what is empty: mostly a variable of a script that is not set, which as a path would be the current folder, to be backed up, restored to or even
 * emptied. @throws UsageError
 */
function refuseEmpty(command: Command, literal: readonly string[], verb: Verb): void {
  const empty: string[] = command.options.flatMap((option) => {
    const value: unknown = command.getOptionValue(option.attributeName())
    return value === '' || (Array.isArray(value) && value.includes('')) ? [option.long ?? option.flags] : []
  })
  const own = command.args.slice(0, command.args.length - literal.length)
  if (verb.takesEmpty !== true && own.includes('')) empty.unshift('an argument')
  if (empty.length === 0) return
  throw new UsageError(`${empty[0]} is empty`, 'Is a variable not set? The current folder is written as a point: `.`')
}

/** The store as the person wrote it: on the command line, in the environment, or as the default of the configuration. */
async function storeOf(situation: Mutable<Situation>): Promise<string | undefined> {
  const written = situation.written || process.env.KLOSET_STORE || (await readConfiguration()).default
  situation.store = written && safe(written)
  return written
}

function root(output: Output): Command {
  const { bold } = colorsFor(process.stdout, process.env)
  return new Command('kloset')
    .description('Encrypted, deduplicated backups.')
    .exitOverride()
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .configureHelp({
      commandUsage: (command) =>
        command.parent ? `kloset [at STORE] ${command.name()} ${command.usage()}` : 'kloset at STORE VERB [options]',
      styleTitle: (title) => bold(title),
      subcommandTerm: (command) => command.name(),
      showGlobalOptions: false,
    })
    .configureOutput({
      writeOut: (text) => void output.write(text),
      writeErr: (text) => output.error(text.trimEnd()),
      outputError: () => undefined,
    })
    .addHelpText('after', examples)
}

function asUsage(error: CommanderError, verb: string | undefined): UsageError {
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
  return new UsageError(message, `See: kloset help${verb ? ` ${verb}` : ''}`)
}

async function report(error: unknown, output: Output, situation: Situation): Promise<number> {
  output.progressDone()
  const code = exitCodeOf(error)
  if (output.json) await output.emit(errorJson(error, hintOf(error, situation), output.verbose))
  for (const line of errorLines(error, situation, output.verbose)) output.error(line)
  if (process.env.KLOSET_DEBUG === '1') output.error(error instanceof Error ? (error.stack ?? '') : String(error))
  return code
}
