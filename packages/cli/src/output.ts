import type { Progress } from 'kloset'
import { type Colors, colorsFor } from './render/colors.js'
import { type JsonLine, progressJson } from './render/json.js'
import { harmless } from './render/names.js'
import { progressLine, Rate } from './render/progress.js'

/** How a command talks. */
export interface OutputSettings {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

/**
 * Where a command writes: what was asked for on stdout, everything else on stderr. One live line at the bottom of the terminal
 * tells how far the work is; whatever else is written goes above it.
 */
export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  /** Styles for stdout and stderr. */
  readonly colors: Colors
  readonly errorColors: Colors
  /** Set when stdout could not be written to, except for a reader that went away. */
  failure: Error | undefined
  /** Called once when stdout cannot be written to any more; `gone`: its reader went away, as `head` does. */
  onStdoutLost: ((gone: boolean) => void) | undefined

  readonly #stdout: NodeJS.WriteStream
  readonly #stderr: NodeJS.WriteStream
  readonly #liveTerminal: boolean
  #live = ''
  #rate = new Rate()
  #lastTold = Number.NEGATIVE_INFINITY
  #lost = false
  #summaries: JsonLine[] = []

  constructor(
    settings: OutputSettings,
    stdout: NodeJS.WriteStream = process.stdout,
    stderr: NodeJS.WriteStream = process.stderr,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.json = settings.json
    this.quiet = settings.quiet
    this.verbose = settings.verbose
    this.#stdout = stdout
    this.#stderr = stderr
    this.colors = colorsFor(stdout, env)
    this.errorColors = colorsFor(stderr, env)
    this.#liveTerminal = stderr.isTTY === true && env.TERM !== 'dumb' && !settings.quiet && !settings.json
    stdout.on('error', (error: NodeJS.ErrnoException) => this.#stdoutLost(error))
    // Nobody is left to tell; the exit code still speaks.
    stderr.on('error', () => undefined)
  }

  /** Whether stdout is a terminal. */
  get terminal(): boolean {
    return this.#stdout.isTTY === true
  }

  /** Writes lines that were asked for to stdout; wait for it where there are many. */
  async print(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(`${lines.join('\n')}\n`)
  }

  /** Writes one line of `--json`; without `--json`, nothing. Whatever else is told, a summary comes after it, and before an error. */
  async emit(line: JsonLine): Promise<void> {
    if (!this.json) return
    if (line.type === 'summary') {
      this.#summaries.push(line)
      return
    }
    if (line.type === 'error') await this.#writeSummaries()
    await this.write(`${JSON.stringify(line)}\n`)
  }

  /** Writes to stdout exactly what is given. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#lost) return
    this.#hide()
    const room = this.#stdout.write(data)
    this.#show()
    if (!room) await written(this.#stdout)
  }

  /** Something that is good to know; not with `--quiet`, and not with `--json`. */
  note(text: string): void {
    if (!this.quiet && !this.json) this.error(text)
  }

  /** Something that needs attention. */
  warn(text: string): void {
    this.error(`${this.errorColors.yellow('warning:')} ${harmless(text)}`)
  }

  /** Writes a line to stderr whatever the settings. */
  error(text: string): void {
    this.#hide()
    this.#stderr.write(`${text}\n`)
    this.#show()
  }

  /** Shows how far the work is: on the live line; as events with `--json`; else, when verbose, as a line now and then. */
  progress(now: Progress): void {
    const rate = this.#rate.next(now)
    if (now.phase === 'done') {
      this.progressDone()
      return
    }
    if (this.#liveTerminal) {
      this.#hide()
      this.#live = progressLine(now, rate, (this.#stderr.columns || 80) - 1)
      this.#show()
      return
    }
    // A script hears at once that work began; a person who reads a log later wants to know only of long work.
    if (this.json && now.elapsed - this.#lastTold >= 1000) {
      this.#lastTold = now.elapsed
      void this.emit(progressJson(now))
    } else if (!this.json && this.verbose && !this.quiet && now.elapsed - Math.max(0, this.#lastTold) >= 10_000) {
      this.#lastTold = now.elapsed
      this.error(progressLine(now, rate, 200))
    }
  }

  /** Takes the live line away. */
  progressDone(): void {
    this.#hide()
    this.#live = ''
    this.#rate = new Rate()
    this.#lastTold = Number.NEGATIVE_INFINITY
  }

  /** Resolves when everything has been handed to the system. */
  async flush(): Promise<void> {
    await this.#writeSummaries()
    for (const stream of [this.#stdout, this.#stderr]) {
      if (stream !== this.#stdout || !this.#lost) await written(stream)
    }
  }

  async #writeSummaries(): Promise<void> {
    for (const line of this.#summaries.splice(0)) await this.write(`${JSON.stringify(line)}\n`)
  }

  #stdoutLost(error: NodeJS.ErrnoException): void {
    if (this.#lost) return
    this.#lost = true
    const gone = error.code === 'EPIPE'
    if (!gone) this.failure = error
    this.onStdoutLost?.(gone)
  }

  #hide(): void {
    if (this.#live) this.#stderr.write('\r\x1b[2K')
  }

  #show(): void {
    if (this.#live) this.#stderr.write(this.#live)
  }
}

// The callback of a write comes after all writes before it, also where the stream broke.
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
