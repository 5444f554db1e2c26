import type { Command } from 'commander'
import { type ConnectOptions, isPlaceAbsent, Registry, type ResolvedLocation, type Storage } from 'kloset/connector'
import { exit, exitCodeOf } from '../exit.js'
import { collect, outputOptions } from '../options.js'
import { type Place, placeOf } from '../places.js'
import { addressesOf, probeName, reach } from '../probes.js'
import { errorLines, hintOf, messageOf } from '../render/errors.js'
import { failedJson } from '../render/json.js'
import { harmless } from '../render/names.js'
import { pairs } from '../render/table.js'
import { asker, locationOf } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags {
  readonly option?: readonly string[]
  readonly write?: boolean
}

/** `kloset ping`: goes to a location step by step, and says at which it ends and why. */
export const ping: Verb = {
  define(command: Command) {
    command
      .argument('[LOCATION]', 'a place for stores; default: the store')
      .usage('[options] [LOCATION]')
      .description(
        'Find out whether a place for stores can be reached: which options hold, what the name of the server resolves to, whether it ' +
          'answers, lets us in, and lets us list and read. At the first step that fails it says what is wrong and what to do. ' +
          'With --write, it also stores a small object under a name of its own, and removes it.',
      )
      .option('--write', 'also try to write, and whether writers at the same time are kept apart')
      .option('-o, --option <name=value>', 'set an option of the connector (repeatable; -v lists them)', collect)
    outputOptions(command).addHelpText(
      'after',
      `
Examples:
  kloset ping sftp://gilles@nas/var/backups
  kloset ping s3://minio.example:9001/mybackups -v     with all options there are
  kloset at @offsite ping --write

Exit codes: 0 all steps work, 1 one failed, 2 usage, 10 there is no such bucket
or folder.`,
    )
  },

  async run([written]: readonly string[], flags: Flags, session: Session) {
    const { output } = session
    const place = await placeOf(written ?? locationOf(session), flags.option, (message) => output.warn(message))
    if (output.verbose && !output.json) for (const line of optionLines(place)) output.note(line)
    const steps = new Steps(session, place)
    try {
      await walk(steps, place, flags, session)
    } catch (error) {
      return await steps.failed(error)
    }
    await steps.done()
    return exit.done
  },
}

async function walk(steps: Steps, place: Place, flags: Flags, session: Session): Promise<void> {
  const { signal } = session
  const registry = new Registry([place.connector.connector])
  const resolved = await steps.take('options', async () => {
    const found = await registry.resolve(place.location, { options: place.options, env: process.env })
    return [found, `connector ${found.connector.name}${given(found)}`]
  })
  const server = await steps.quietly('server', () => place.connector.serverOf(resolved.location, resolved.options))
  if (server) {
    await steps.take('name', async () => {
      const addresses = await addressesOf(server.host)
      return [addresses, addresses.includes(server.host) ? server.host : `${server.host} is ${addresses.join(', ')}`]
    })
    await steps.take('connection', async () => {
      await reach(server, signal)
      return [undefined, `port ${server.port} answers`]
    })
  }
  const login = server === undefined ? 'place' : 'login'
  const storage = await steps.take(login, async () => {
    const opened = await registry
      .storage(place.location, connectOptions(place, flags, session))
      .catch((error) => steps.failing(error, isPlaceAbsent(error) ? 'place' : login))
    return [opened, server === undefined ? 'it can be opened' : 'it lets us in']
  })
  try {
    await tryStorage(steps, storage, flags, signal)
  } finally {
    await storage.close().catch(() => undefined)
  }
}

async function tryStorage(steps: Steps, storage: Storage, { write }: Flags, signal: AbortSignal): Promise<void> {
  if (storage.capabilities.list)
    await steps.take('list', async () => {
      for await (const batch of storage.list('', { signal, after: undefined })) {
        if (batch.length > 0) return [undefined, 'there is something']
      }
      return [undefined, 'it is empty']
    })
  await steps.take('read', async () => {
    const there = await storage.stat('config', { signal })
    if (there !== undefined) await storage.get('config', { signal, range: undefined })
    return [undefined, there === undefined ? 'there is no store yet: kloset create makes one' : 'there is a store']
  })
  if (!write) return
  const name = probeName()
  const body = new TextEncoder().encode('kloset ping')
  const { putIfAbsent } = storage.capabilities
  try {
    await steps.take('write', async () => {
      await storage.put(name, body, { signal, ifAbsent: false, tier: 'hot' })
      const back = await storage.get(name, { signal, range: undefined })
      if (Buffer.compare(back, body) !== 0) throw new Error('what was read back is not what was written')
      return [undefined, 'what was written was read back']
    })
    if (putIfAbsent)
      await steps.take('writers', async () => {
        const answer = await storage.put(name, body, { signal, ifAbsent: true, tier: 'hot' })
        if (answer !== 'exists') throw new Error('it replaced an object that it was told to leave alone')
        return [undefined, 'several may write at once']
      })
    else await steps.take('writers', async () => [undefined, 'only one may write at a time: --exclusive'])
  } finally {
    await steps.quietly('remove', () => storage.remove([name], { signal }))
  }
}

/** Takes one step after the other, and tells of each. */
class Steps {
  readonly #session: Session
  readonly #place: Place
  #current = ''

  constructor(session: Session, place: Place) {
    this.#session = session
    this.#place = place
  }

  /** A step that is told of. */
  async take<T>(name: string, step: () => Promise<readonly [result: T, detail: string]>): Promise<T> {
    const { output, signal } = this.#session
    signal.throwIfAborted()
    this.#current = name
    const started = performance.now()
    const [result, detail] = await step()
    const took = Math.round(performance.now() - started)
    if (output.json) await output.emit({ type: 'step', step: name, ok: true, detail, duration: took })
    else if (!output.quiet)
      await output.print(`${output.colors.green('ok')}      ${name.padEnd(10)}  ${harmless(detail)}  (${took} ms)`)
    return result
  }

  /** A step that is told of only where it fails. */
  async quietly<T>(name: string, step: () => T | Promise<T>): Promise<T> {
    this.#current = name
    return step()
  }

  /** Fails in another step than the current one: logging in and looking for the place are one call. */
  failing(error: unknown, step: string): never {
    this.#current = step
    throw error
  }

  async done(): Promise<void> {
    const { output } = this.#session
    if (output.json) await output.emit({ type: 'summary', location: this.#place.shown, ok: true })
  }

  /** Tells of the step that failed, and returns the exit code. */
  async failed(error: unknown): Promise<number> {
    const { output, signal } = this.#session
    signal.throwIfAborted()
    const situation = { verb: 'ping', store: this.#place.shown }
    const missing = isPlaceAbsent(error)
    const hint = missing
      ? `Check the location. Making a store makes it, where that is possible: kloset at ${this.#place.shown} create`
      : hintOf(error, situation)
    if (output.json) {
      const { code, message } = failedJson({ path: '', error })
      await output.emit({ type: 'step', step: this.#current, ok: false, code, message, hint })
      await output.emit({ type: 'summary', location: this.#place.shown, ok: false })
    } else {
      await output.print(`${output.colors.red('failed')}  ${this.#current.padEnd(10)}  ${harmless(messageOf(error))}`)
      if (hint) output.error(`  ${harmless(hint)}`)
      if (output.verbose) for (const line of errorLines(error, situation, true).slice(hint ? 2 : 1)) output.error(line)
    }
    return missing ? exit.noStore : exitCodeOf(error)
  }
}

function connectOptions({ options }: Place, { write }: Flags, { output, signal }: Session): ConnectOptions {
  const memory = new Map<string, string>()
  const ask = asker(signal)
  return {
    options,
    env: process.env,
    mode: write ? 'write' : 'read',
    signal,
    log: (level, message) => {
      if (level === 'warn') output.warn(message)
      else if (output.verbose) output.note(harmless(message))
    },
    memory: { get: async (key) => memory.get(key), set: async (key, value) => void memory.set(key, value) },
    ...(ask && { ask }),
  }
}

// What is set, from wherever it came, unless it is a secret.
function given({ connector, options }: ResolvedLocation): string {
  const parts = Object.entries(options).flatMap(([name, value]) => {
    const option = connector.options[name]
    if (value === undefined || value === option?.default) return []
    return [`${name}=${option?.secret ? '…' : value}`]
  })
  return parts.length === 0 ? '' : ` with ${parts.join(' ')}`
}

function optionLines({ connector: { connector } }: Place): string[] {
  const rows = Object.entries(connector.options).map(([name, { describe, env, default: standard }]) => {
    const notes = [env && `from ${env}`, standard !== undefined && `default ${standard}`].filter(Boolean)
    return [`  ${name}`, `${describe}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`] as const
  })
  return rows.length === 0 ? [] : [`Options of the connector ${connector.name}, for -o NAME=VALUE:`, ...pairs(rows)]
}
