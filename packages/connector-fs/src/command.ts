import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { KlosetError, onAbort, type Source, withoutOwnSecrets } from 'kloset/connector'
import { systemCode } from './errors.js'
import { Messages } from './messages.js'
import { ownStream } from './streams.js'

/** How {@link commandSource} runs its command. */
export interface CommandOptions {
  /** The path of the file in the snapshot, `db/dump.sql`; default: the name of the program and `.out`. */
  readonly name?: string | undefined
  /** Where it runs; default: where this process does. */
  readonly cwd?: string | undefined
  /** Its environment; default: that of this process, without the passphrases and keys that are for kloset. */
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Told each line that it writes to stderr. */
  readonly onMessage?: ((line: string) => void) | undefined
}

/**
 * What a command prints, as one file. The command, a program and its arguments, is run without a shell and with nothing to read,
 * once the backup is ready for its output; it waits where the backup does. Unless it ends with exit code 0 the backup fails and
 * nothing is committed (KLOSET_COMMAND_FAILED). Aborting the backup, or closing the source, stops it: SIGTERM, and SIGKILL five seconds later.
 * @throws KLOSET_PATH_UNSAFE or TypeError for a name that no file of a snapshot can have
 */
export function commandSource(command: readonly string[], options: CommandOptions = {}): Source {
  const [program, ...args] = command
  if (!program) throw new TypeError('a command needs a program')
  const runs: Run[] = []
  return ownStream({
    name: options.name ?? `${basename(program)}.out`,
    content({ signal }) {
      const run = start(program, args, options, signal)
      runs.push(run)
      return run.output()
    },
    close: async () => void (await Promise.all(runs.map((run) => run.stop()))),
  })
}

/** How long a program has to end by itself once it was asked to, in milliseconds. */
const patience = 5_000

/** How long its last words are waited for: what it started may keep its stderr open. */
const lastWords = 500

function start(program: string, args: readonly string[], options: CommandOptions, signal: AbortSignal): Run {
  try {
    return new Run(program, args, options, signal)
  } catch (error) {
    throw notStarted(program, error)
  }
}

/** One run of a command. */
class Run {
  readonly #program: string
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #messages: Messages
  readonly #started: Promise<unknown>
  readonly #ended: Promise<unknown>
  readonly #forget: () => void

  constructor(program: string, args: readonly string[], { cwd, env, onMessage }: CommandOptions, signal: AbortSignal) {
    const child = spawn(program, args, {
      cwd,
      env: env ?? withoutOwnSecrets(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    })
    this.#program = program
    this.#child = child
    this.#messages = new Messages(child.stderr, onMessage)
    this.#started = once(child, 'spawn')
    // Not `close`, which waits for all that holds its stdout or stderr open.
    this.#ended = new Promise((resolve) => child.once('exit', resolve))
    // Also of a signal that may not be sent, as to sudo.
    child.on('error', () => undefined)
    this.#forget = onAbort(signal, () => void this.stop())
  }

  async *output(): AsyncGenerator<Uint8Array> {
    try {
      await this.#started.catch((error: unknown) => {
        throw notStarted(this.#program, error)
      })
      yield* this.#child.stdout as AsyncIterable<Uint8Array>
      // It may close its output and fail afterwards: what it wrote counts only now.
      await this.#ended
      await within(lastWords, this.#messages.ended)
      const { exitCode, signalCode } = this.#child
      if (exitCode !== 0) throw failed(this.#program, exitCode ?? signalCode ?? '', this.#messages.last)
    } finally {
      await this.stop()
    }
  }

  /** Has it end, and resolves when it has, or will not. */
  async stop(): Promise<void> {
    this.#forget()
    if (!this.#runs) return
    // It may be waiting for somebody to read.
    this.#child.stdout.destroy()
    this.#child.kill('SIGTERM')
    await within(patience, this.#ended)
    if (!this.#runs) return
    this.#child.kill('SIGKILL')
    await within(lastWords, this.#ended)
  }

  get #runs(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid !== undefined && exitCode === null && signalCode === null
  }
}

function within(milliseconds: number, work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work, wait(milliseconds, undefined, { ref: false })])
}

function notStarted(program: string, cause: unknown): KlosetError {
  const code = systemCode(cause)
  const why = { ENOENT: 'there is no such program', EACCES: 'permission denied' }[code ?? ''] ?? String(cause)
  return new KlosetError('KLOSET_COMMAND_FAILED', `${program} could not be started: ${why}`, {
    context: { command: program, ...(code !== undefined && { system: code }) },
    hint: 'Check its name and PATH. A line for the shell is run as: sh -c "…"',
    cause,
  })
}

function failed(program: string, outcome: number | string, messages: readonly string[]): KlosetError {
  const how = typeof outcome === 'number' ? `ended with exit code ${outcome}` : `was ended by ${outcome}`
  const last = messages.at(-1)
  return new KlosetError('KLOSET_COMMAND_FAILED', `${program} ${how}${last === undefined ? '' : `: ${last}`}`, {
    context: {
      command: program,
      ...(typeof outcome === 'number' ? { exitCode: outcome } : { signal: outcome }),
      ...(messages.length > 0 && { messages: messages.join('\n') }),
    },
    hint: 'Nothing was committed. What it printed counts only when it ends with exit code 0; run it by itself to see what is wrong.',
  })
}
