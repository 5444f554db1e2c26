import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Login, ServedRequest, WebdavOptions } from '@kloset/serve'
import type { Command } from 'commander'
import { exit, Failure, UsageError } from '../exit.js'
import { filterOf, outputOptions, type SelectFlags, selectOptions, storeOptions } from '../options.js'
import type { Output } from '../output.js'
import { secretLineOf } from '../passphrase.js'
import { bytes } from '../render/bytes.js'
import { messageOf } from '../render/errors.js'
import { failedJson } from '../render/json.js'
import { harmless, shown } from '../render/names.js'
import { duration } from '../render/times.js'
import { leave, locationOf, openAt, type StoreFlags } from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, SelectFlags {
  /** True where no address is given. */
  readonly webdav?: string | true
  readonly user: string
  readonly passwordFile?: string
  /** False with `--no-auth`. */
  readonly auth: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** The environment variable with the password of those who may look. */
const variable = 'KLOSET_SERVE_PASSWORD'

/** `kloset serve`: snapshots as folders for other programs and machines, until it is stopped. */
export const serve: Verb = {
  changes: true,

  define(command: Command) {
    command
      .usage('--webdav [ADDRESS] [options]')
      .description(
        'Show the snapshots as read-only folders over WebDAV, until Ctrl-C: for file managers, browsers, davfs2, rclone. ' +
          'Snapshots that are made meanwhile appear by themselves. What is read is fetched and verified as it is needed.',
      )
      .option(
        '--webdav [address]',
        'HOST:PORT, HOST or PORT to listen on; default 127.0.0.1:4918, for this machine only',
      )
      .optionsGroup('Who may look:')
      .option('--user <name>', 'the name to log in with', 'kloset')
      .option('--password-file <file>', `take the password from the first line of a file; else from ${variable}`)
      .option('--no-auth', 'let in everybody who can reach the address')
      .option('--tls-cert <file>', 'serve over TLS, with this certificate (PEM)')
      .option('--tls-key <file>', 'and its key')
    selectOptions(command)
    outputOptions(storeOptions(command)).addHelpText(
      'after',
      `
There are:
  latest/                              the newest snapshot
  ids/9abc3294/                        each snapshot, by its id
  times/2026-11-20T15-57-33Z/          by its time, in UTC
  hosts/nas/2026-11-20T15-57-33Z/      by host and time; hosts/nas/latest/
  tags/daily/2026-11-20T15-57-33Z/     by tag and time; tags/daily/latest/

WebDAV has files and folders only: symbolic links and devices are left out. Whoever
logs in can read all that is shown. Without a password of yours one is made up and
shown, if there is a terminal. Over a network, use TLS: without it, others on the way
can read the password and the files. -v tells each request.

Examples:
  kloset at /var/backups serve --webdav
  kloset at /var/backups serve --webdav 0.0.0.0:4918 --password-file ~/.kloset/dav --tls-cert c.pem --tls-key k.pem
  rclone copy :webdav:latest/etc /tmp/etc --webdav-url http://127.0.0.1:4918 --webdav-user kloset --webdav-pass …
  mount -t davfs http://127.0.0.1:4918/ /mnt/backups

Exit codes: 0 stopped, 1 failed, 2 usage, 4 the stored data is damaged,
10 no such store, 12 wrong passphrase, 130 stopped twice.`,
    )
  },

  async run(args: readonly string[], flags: Flags, session: Session) {
    const { output, signal } = session
    if (args.length > 0) throw new UsageError(`'${args[0]}' is too much`, 'An address comes right after --webdav.')
    if (flags.webdav === undefined) throw new UsageError('how to serve?', 'Say it: kloset serve --webdav')
    const address = addressOf(flags.webdav === true ? '' : flags.webdav)
    const [access, tls] = [await accessOf(flags, output), await tlsOf(flags)]
    if (tls === undefined && !isLoopback(address.host))
      output.warn('without --tls-cert, others on the network can read what is served, and the password')
    const store = await openAt(session, flags, { mode: 'read' })
    try {
      const { serveWebdav } = await import('@kloset/serve')
      const server = await serveWebdav(store, {
        ...address,
        login: access.login,
        tls,
        where: filterOf(flags),
        onFailed: (path, error) => {
          if (output.json) void output.emit(failedJson({ path, error }))
          else output.warn(`${shown(path)}: ${messageOf(error)}`)
        },
        ...(output.verbose && { onRequest: (request) => tellRequest(request, output) }),
      })
      const user = access.login?.user
      await output.emit({ type: 'listening', url: server.url, user })
      output.note(`Serving ${locationOf(session)} at ${server.url}, read-only. Ctrl-C stops it.`)
      if (access.madeUp !== undefined) output.note(`Log in as ${user} with the password ${access.madeUp}`)
      await aborted(signal)
      await server.close()
      await output.emit({ type: 'stopped', url: server.url })
      output.note('Stopped.')
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

/** Reads `HOST:PORT`, `HOST`, `PORT`, or `:PORT`, which is every address of this machine; nothing: the default. @throws UsageError */
function addressOf(text: string): Pick<WebdavOptions, 'port'> & { readonly host: string } {
  const here = '127.0.0.1'
  if (text === '') return { host: here }
  if (isIP(text) !== 0) return { host: text }
  const [, bracketed, plain, written] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const alone = plain !== undefined && /^\d+$/.test(plain) && written === undefined
  const port = alone ? Number(plain) : written === undefined ? undefined : Number(written)
  const host = alone ? here : (bracketed ?? plain)
  if (host === undefined || (port ?? 0) > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6))
    throw new UsageError(`'${text}' is not an address`, 'Write HOST:PORT, HOST or PORT: 127.0.0.1:4918')
  return { host: host === '' ? '::' : host, ...(port !== undefined && { port }) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** Who may look: who knows the password that was given, or one that is made up where a person can read it; or everybody, if that was said. */
async function accessOf(
  { auth, user, passwordFile }: Flags,
  output: Output,
): Promise<{ readonly login: Login | null; readonly madeUp?: string }> {
  if (!auth) {
    if (passwordFile !== undefined) throw new UsageError('--no-auth and --password-file exclude each other')
    return { login: null }
  }
  if (user.includes(':')) throw new UsageError(`'${user}' cannot be a user here`, 'A user has no colon in its name.')
  const given =
    passwordFile === undefined
      ? process.env[variable]
      : await secretLineOf(passwordFile, 'password', (message) => output.warn(message))
  if (given !== undefined) {
    if (given === '') throw new UsageError(`${variable} is empty`, 'Give a password, or say --no-auth.')
    return { login: { user, password: given } }
  }
  // Elsewhere it would end in a log.
  if (!process.stderr.isTTY || output.quiet)
    throw new UsageError('who may look?', `Set ${variable}, use --password-file, or let in everybody with --no-auth.`)
  const madeUp = randomBytes(15).toString('base64url')
  return { login: { user, password: madeUp }, madeUp }
}

async function tlsOf({ tlsCert, tlsKey }: Flags): Promise<WebdavOptions['tls']> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UsageError('TLS takes a certificate and its key', 'Give both --tls-cert and --tls-key.')
  try {
    return { cert: await readFile(tlsCert), key: await readFile(tlsKey) }
  } catch (error) {
    throw new Failure(`cannot read the certificate or its key: ${messageOf(error)}`, 'Check both paths.', error)
  }
}

function tellRequest(request: ServedRequest, output: Output): void {
  if (output.json) {
    void output.emit({ type: 'request', ...request })
    return
  }
  const { address, method, path, status, cut } = request
  const took = `${bytes(request.bytes)} in ${duration(request.duration)}`
  output.note(harmless(`${address} ${method} ${path} ${status}, ${took}${cut ? ', cut off' : ''}`))
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
}
