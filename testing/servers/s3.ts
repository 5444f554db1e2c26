import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { appendFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** A real S3 server: Ceph's RADOS gateway with one monitor and one OSD that keeps everything in memory. */
export interface S3Server {
  /** `http://127.0.0.1:PORT`. Buckets answer below this as a path, and as `BUCKET.s3.localhost`. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** A user who may store no more than 8 MiB in a bucket. */
  readonly limited: { readonly accessKey: string; readonly secretKey: string }
  stop(): Promise<void>
}

/** Why no S3 server can be started on this machine, and how to change that; undefined where one can. */
export function missingForS3(): string | undefined {
  if (process.platform !== 'linux') return 'Ceph runs on Linux only.'
  const absent = programs.filter((program) => !isInstalled(program))
  if (absent.length === 0) return undefined
  const install = 'apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common'
  return `${absent.join(', ')} not found: the S3 server comes with the Debian packages of Ceph (${install}).`
}

/** Starts a server with free ports and an empty place of its own; it takes about 12 seconds. It ends with this process, however that ends. */
export async function startS3(): Promise<S3Server> {
  const missing = missingForS3()
  if (missing !== undefined) throw new Error(missing)
  removeLeftovers()
  for (let attempt = 1; ; attempt++) {
    const cluster = new Cluster()
    try {
      return await cluster.start()
    } catch (error) {
      const log = cluster.logs()
      await cluster.stop()
      // Another process may have taken a port between its being found free and its being used.
      if (attempt === 3) throw new Error(`Ceph did not start: ${(error as Error).message}\n${log}`, { cause: error })
    }
  }
}

const programs = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv']
const run = promisify(execFile)
const host = '127.0.0.1'
const user = { accessKey: 'AKIAKLOSETTEST', secretKey: 'secret-of-the-test-user' }
const limited = { accessKey: 'AKIAKLOSETLIMITED', secretKey: 'secret-of-the-limited-user' }

class Cluster {
  readonly #folder = mkdtempSync(join(parentFolder(), `${prefix}${process.pid}-`))
  readonly #daemons: ChildProcess[] = []
  readonly #conf = join(this.#folder, 'ceph.conf')
  #stopping = false

  async start(): Promise<S3Server> {
    const [port, mon1, mon2] = (await freePorts(3)) as [number, number, number]
    const id = randomUUID()
    const addresses = `[v2:${host}:${mon2},v1:${host}:${mon1}]`
    for (const folder of ['mon', 'osd', 'run', 'rgw']) mkdirSync(join(this.#folder, folder))
    await writeFile(this.#conf, configuration({ folder: this.#folder, id, addresses, port }))
    const keyring = join(this.#folder, 'keyring')
    const monmap = join(this.#folder, 'monmap')
    await run('monmaptool', ['--create', '--addv', 'a', addresses, '--fsid', id, monmap])
    await run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'])
    for (const [name, ...caps] of keys) await run('ceph-authtool', [keyring, '--gen-key', '-n', name, ...caps])
    await this.#run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', keyring)
    const mon = this.#daemon('ceph-mon', '-i', 'a')

    const osd = randomUUID()
    await this.#whileAlive(
      mon,
      Promise.all([this.#run('ceph', 'osd', 'new', osd), this.#run('ceph', 'auth', 'import', '-i', keyring)]),
    )
    await this.#run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
    const store = this.#daemon('ceph-osd', '-i', '0')
    const gateway = this.#daemon('radosgw', '-n', 'client.rgw')
    await Promise.race([this.#answers(port), died(mon), died(store), died(gateway)])

    await Promise.all([this.#makeUser('kloset', user), this.#makeUser('limited', limited)])
    await this.#run('radosgw-admin', 'quota', 'set', '--uid=limited', '--quota-scope=bucket', '--max-size=8M')
    await this.#run('radosgw-admin', 'quota', 'enable', '--uid=limited', '--quota-scope=bucket')
    return { endpoint: `http://${host}:${port}`, ...user, limited, stop: () => this.stop() }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    // Nothing to save: the data is in memory.
    for (const daemon of this.#daemons) daemon.kill('SIGKILL')
    await Promise.all(this.#daemons.map(ended))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The ends of the daemons' logs, for the person who wonders why it does not start. */
  logs(): string {
    const logs = readdirSync(this.#folder).filter((name) => /\.(log|out)$/.test(name))
    const tail = (name: string) => readFileSync(join(this.#folder, name), 'utf8').split('\n').slice(-8).join('\n')
    return logs.map((name) => `${name}:\n${tail(name)}`).join('\n')
  }

  async #run(program: string, ...parameters: string[]): Promise<void> {
    try {
      await run(program, ['-c', this.#conf, ...parameters], { timeout: 60_000 })
    } catch (error) {
      await appendFile(join(this.#folder, 'commands.log'), `${program} ${parameters.join(' ')}: ${error}\n`)
      throw error
    }
  }

  /** Starts a daemon in the foreground. The kernel kills it as soon as this process is gone (prctl(2), PR_SET_PDEATHSIG). */
  #daemon(program: string, ...parameters: string[]): ChildProcess {
    const output = openSync(join(this.#folder, `${program}.out`), 'w')
    const command = ['--pdeathsig', 'KILL', '--', program, '-f', '-c', this.#conf, ...parameters]
    const daemon = spawn('setpriv', command, { stdio: ['ignore', output, output] })
    this.#daemons.push(daemon)
    return daemon
  }

  async #makeUser(name: string, keys: typeof user): Promise<void> {
    const given = [`--access-key=${keys.accessKey}`, `--secret-key=${keys.secretKey}`]
    await this.#run('radosgw-admin', 'user', 'create', `--uid=${name}`, `--display-name=${name}`, ...given)
  }

  async #whileAlive<T>(daemon: ChildProcess, work: Promise<T>): Promise<T> {
    return Promise.race([work, died(daemon)])
  }

  async #answers(port: number): Promise<void> {
    const giveUp = Date.now() + 90_000
    while (!this.#stopping && Date.now() < giveUp) {
      const answer = await fetch(`http://${host}:${port}/`).catch(() => undefined)
      if (answer !== undefined) return void (await answer.text())
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error('the gateway does not answer')
  }
}

const keys = [
  ['client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
  ['client.rgw', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
  ['osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
] as const

function configuration(of: { folder: string; id: string; addresses: string; port: number }): string {
  const { folder, id, addresses, port } = of
  return `[global]
fsid = ${id}
mon host = ${addresses}
public addr = ${host}
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
run dir = ${folder}/run
pid file = ${folder}/run/$name.pid
admin socket = ${folder}/run/$name.asok
log file = ${folder}/$name.log
[mon.a]
keyring = ${folder}/mon/keyring
mon data = ${folder}/mon
mon data avail crit = 1
mon data avail warn = 1
[osd.0]
osd data = ${folder}/osd
osd objectstore = memstore
crush location = root=default host=here
memstore device bytes = 8589934592
[client.rgw]
keyring = ${folder}/keyring
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=${host}:${port} tcp_nodelay=1
rgw dns name = s3.localhost
rgw thread pool size = 64
rgw enable usage log = false
rgw dynamic resharding = false
rgw bucket quota ttl = 0
rgw user quota bucket sync interval = 0
rgw quota cache size = 0
rgw gc obj min wait = 2
rgw gc processor period = 1
rgw gc processor max time = 30
rgw gc max concurrent io = 64
`
}

/** Ports that nothing listened on a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, host, () => resolve((server.address() as { port: number }).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

const prefix = 'kloset-ceph-'

// In memory where there is such a place: logs and sockets are all that is written, but there are many of them.
function parentFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

/** Folders of processes that were killed before they could clean up. */
function removeLeftovers(): void {
  for (const name of readdirSync(parentFolder())) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    if (Number.isNaN(owner) || existsSync(`/proc/${owner}`)) continue
    rmSync(join(parentFolder(), name), { recursive: true, force: true })
  }
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function ended(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => process.once('exit', () => resolve()).once('error', () => resolve()))
}

async function died(daemon: ChildProcess): Promise<never> {
  await ended(daemon)
  throw new Error(`${daemon.spawnargs.slice(4).join(' ')} ended with ${daemon.exitCode ?? daemon.signalCode}`)
}
