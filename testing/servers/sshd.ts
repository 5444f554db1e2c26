import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A real sshd that tests talk to. */
export interface SshServer {
  readonly host: string
  readonly port: number
  readonly user: string
  /** A private key, without a passphrase, that may log in. */
  readonly keyFile: string
  /** A known_hosts file that has all of the server's keys. */
  readonly knownHosts: string
  /** A folder on the server, empty at first, that is removed with it. */
  readonly folder: string
  stop(): Promise<void>
}

/** What whoever started a server can do besides. */
export interface StartedSshServer extends SshServer {
  /** Where its keys and log are. */
  readonly place: string
  /** Its own keys, as the files beside them are named: `ssh_host_ed25519_key`. */
  readonly hostKeys: readonly string[]
  /** Ends it, with all connections, so that its port refuses. */
  down(): Promise<void>
  /** Starts it again, on the same port. */
  up(): Promise<void>
  /** Kills the processes of all connections there are; new ones are accepted. */
  dropConnections(): void
  /** What it logged so far. */
  log(): string
}

/** Settings of a server. */
export interface SshServerOptions {
  /** Lines of sshd_config that win over those written here. */
  readonly settings?: readonly string[]
  /** Kinds of host keys, of `ssh-keygen -t`. Default: ed25519 and ecdsa. */
  readonly hostKeys?: readonly ('ed25519' | 'ecdsa' | 'rsa')[]
  /** The command of the sftp subsystem, or undefined for a server without one. Default: `internal-sftp`. */
  readonly subsystem?: string | undefined
  /** Whether clients see nothing but the server's folder, as `/`; needs root. */
  readonly chroot?: boolean
}

const program = '/usr/sbin/sshd'
const address = '127.0.0.1'
const run = promisify(execFile)

/** Why no SSH server can be started here and how to get it; undefined where one can. */
export function missingForSsh(): string | undefined {
  if (existsSync(program)) return undefined
  return `${program} is not there: install OpenSSH's server (Debian: apt-get install openssh-server)`
}

/** Starts OpenSSH's server on a free port of the loopback, for the user who runs the tests. It ends with this process at the latest. */
export async function startSsh(options: SshServerOptions = {}): Promise<StartedSshServer> {
  const missing = missingForSsh()
  if (missing !== undefined) throw new Error(missing)
  // The folder of its privilege separation, which the system's own service makes when it starts.
  if (process.geteuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  // A chroot must lie in folders that only root may write to.
  const place = await mkdtemp(join(options.chroot ? '/run' : tmpdir(), 'kloset-sshd-'))
  try {
    return await startIn(place, options)
  } catch (error) {
    await rm(place, { recursive: true, force: true })
    throw error
  }
}

async function startIn(place: string, options: SshServerOptions): Promise<StartedSshServer> {
  const { hostKeys: kinds = ['ed25519', 'ecdsa'] } = options
  const folder = join(place, 'files')
  mkdirSync(folder, { mode: 0o755 })
  const hostKeys = kinds.map((kind) => join(place, `ssh_host_${kind}_key`))
  for (const [at, kind] of kinds.entries()) await makeKey(hostKeys[at]!, kind)
  const keyFile = join(place, 'id_ed25519')
  await makeKey(keyFile, 'ed25519')
  await writeFile(join(place, 'authorized_keys'), await readFile(`${keyFile}.pub`), { mode: 0o600 })

  const port = await freePort()
  const knownHosts = join(place, 'known_hosts')
  const known = hostKeys.map((key) => `[${address}]:${port} ${publicPart(key)}\n`)
  await writeFile(knownHosts, known.join(''))
  await writeFile(join(place, 'sshd_config'), configuration(place, folder, hostKeys, port, options))
  const log = join(place, 'log')
  let process = await launch(place, port)

  const down = async (): Promise<void> => {
    for (const pid of descendants(sshdOf(place))) kill(pid)
    await end(process)
  }
  return {
    host: address,
    port,
    user: userInfo().username,
    keyFile,
    knownHosts,
    folder,
    place,
    hostKeys,
    down,
    up: async () => {
      process = await launch(place, port)
    },
    dropConnections: () => {
      for (const pid of descendants(sshdOf(place))) kill(pid)
    },
    log: () => readFileSync(log, 'utf8'),
    stop: async () => {
      await down()
      await rm(place, { recursive: true, force: true })
    },
  }
}

/** Makes a key pair: `file` and `file.pub`. */
export async function makeKey(file: string, kind: 'ed25519' | 'ecdsa' | 'rsa', passphrase = ''): Promise<void> {
  // The smallest that is accepted: making a key takes a while.
  const bits = kind === 'rsa' ? ['-b', '2048'] : []
  await run('ssh-keygen', ['-q', '-t', kind, ...bits, '-N', passphrase, '-C', 'kloset-test', '-f', file])
}

/** `ssh-ed25519 AAAA…` of a key file, without its comment. */
export function publicPart(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ').trim()
}

// Of a setting that is given twice, sshd takes the first.
function configuration(
  place: string,
  folder: string,
  hostKeys: readonly string[],
  port: number,
  options: SshServerOptions,
): string {
  const subsystem = 'subsystem' in options ? options.subsystem : 'internal-sftp'
  const lines = [
    ...(options.settings ?? []),
    `ListenAddress ${address}:${port}`,
    ...hostKeys.map((key) => `HostKey ${key}`),
    `PidFile ${join(place, 'pid')}`,
    `AuthorizedKeysFile ${join(place, 'authorized_keys')}`,
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    // The folder of temporary files is writable by all.
    'StrictModes no',
    'UseDNS no',
    'MaxStartups 200',
    ...(subsystem === undefined ? [] : [`Subsystem sftp ${subsystem}`]),
    ...(options.chroot ? [`ChrootDirectory ${folder}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** Starts sshd below a shell that ends it when its input ends: also when this process dies without a word. */
async function launch(place: string, port: number): Promise<ChildProcess> {
  const log = openSync(join(place, 'log'), 'a')
  const script = '"$0" -D -e -f "$1" & sshd=$!; cat >/dev/null; kill $sshd; wait $sshd'
  const child = spawn('/bin/sh', ['-c', script, program, join(place, 'sshd_config')], {
    stdio: ['pipe', 'ignore', log],
    detached: true,
  })
  closeSync(log)
  // Neither the shell nor its input keeps a finished test process alive.
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  for (let tries = 0; tries < 200; tries++) {
    if (await greets(port)) return child
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await end(child)
  throw new Error(`sshd did not start:\n${await readFile(join(place, 'log'), 'utf8')}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    child.ref()
    child.once('exit', () => resolve())
    child.stdin?.end()
  })
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: address })
    socket.once('data', (data) => {
      resolve(data.toString('latin1').startsWith('SSH-2.0'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function sshdOf(place: string): number {
  const file = join(place, 'pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
}

/** The processes below `pid`, which are those of its connections. */
function descendants(pid: number): number[] {
  // Elsewhere than on Linux, connections end with those who made them.
  if (pid === 0 || !existsSync('/proc/self/stat')) return []
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : undefined
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const below = (of: number): number[] => (children.get(of) ?? []).flatMap((child) => [child, ...below(child)])
  return below(pid)
}

function parentOf(pid: string): number | undefined {
  try {
    // The name of the program is in parentheses and may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' ')
    return Number(fields[1])
  } catch {
    return undefined
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
