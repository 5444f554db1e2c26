import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Context, KlosetError } from 'kloset/connector'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import type { Target } from '../config/target.js'
import {
  isAbout,
  judge,
  type KnownHost,
  kindOf,
  knownHostLine,
  knownKinds,
  knownName,
  parseKnownHosts,
} from './known-hosts.js'

/** What deciding on a host's key needs besides the target. */
export type Witnesses = Pick<Context, 'ask' | 'memory' | 'log'>

/**
 * Decides whether the host that answers is the right one. Nothing is ever taken on trust: a key is known, or it is the one that was given, or a
 * person says yes.
 */
export class HostKeys {
  readonly #target: Target
  readonly #witnesses: Witnesses
  // What a person said yes to, also where it could not be written down.
  #accepted: Buffer | undefined

  constructor(target: Target, witnesses: Witnesses) {
    this.#target = target
    this.#witnesses = witnesses
  }

  /** The algorithms to agree on one of: first those of the keys that are known, so that the host shows one of these. */
  async algorithms(): Promise<ServerHostKeyAlgorithm[]> {
    const { name, port } = this.#target.known
    const kinds = knownKinds(await this.#lines(), name, port)
    if (this.#accepted) kinds.add(kindOf(this.#accepted))
    const known = algorithms.filter(([kind]) => kinds.has(kind))
    return [...known, ...algorithms.filter(([kind]) => !kinds.has(kind))].flatMap(([, names]) => names)
  }

  /** @throws KLOSET_DENIED for a key that is not to be trusted */
  async check(key: Buffer): Promise<void> {
    const { name, port, fingerprint } = this.#target.known
    const shown = fingerprintOf(key)
    if (fingerprint !== undefined) {
      if (shown === fingerprint) return
      throw this.#refusal(
        `${this.#target.where} has another key than the one given: ${describe(key)} ${shown}`,
        shown,
        otherKey,
      )
    }
    const verdict = judge(await this.#lines(), name, port, key)
    if (verdict === 'revoked')
      throw this.#refusal(`the key of ${this.#target.where} is revoked: ${shown}`, shown, revoked)
    if (verdict === 'changed') {
      const message = `the key of ${this.#target.where} is not the one it is known by, but ${describe(key)} ${shown}`
      throw this.#refusal(message, shown, this.#changedHint())
    }
    if (verdict === 'known' || this.#accepted?.equals(key)) return
    await this.#askAbout(key, shown)
    this.#accepted = key
  }

  async #askAbout(key: Buffer, shown: string): Promise<void> {
    const { where } = this.#target
    const message = `The server ${where} is not known yet. Its ${describe(key)} key has the fingerprint ${shown}. Is it the right one?`
    const answer = await this.#witnesses.ask?.({ kind: 'confirm', message })
    if (answer === true) return this.#remember(key)
    const said = answer === undefined ? 'is not known' : 'was not accepted'
    const hint = (await this.#hasAuthority()) ? `${authority} ${this.#unknownHint(shown)}` : this.#unknownHint(shown)
    throw this.#refusal(`the key of ${where} ${said}: ${describe(key)} ${shown}`, shown, hint)
  }

  /** In known_hosts, where every other program finds it; where that cannot be written, in the memory of this location. */
  async #remember(key: Buffer): Promise<void> {
    const { name, port, files, hashed } = this.#target.known
    const line = (hide: boolean): string => knownHostLine(knownName(name, port), key, hide)
    const [file] = files
    try {
      if (file === undefined) throw new Error('there is no such file')
      // That of the person, ~/.ssh: what it is in is there, or is not ours to make.
      await mkdir(dirname(file), { mode: 0o700 }).catch((error) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      })
      const before = await read(file)
      const start = before === '' || before.endsWith('\n') ? '' : '\n'
      await appendFile(file, start + line(hashed), { mode: 0o600 })
    } catch (error) {
      this.#witnesses.log(
        'warn',
        `the key of ${this.#target.where} could not be added to ${file}: ${(error as Error).message}`,
      )
      await this.#witnesses.memory.set(memoryKey(name, port), line(false))
    }
  }

  async #hasAuthority(): Promise<boolean> {
    const { name, port } = this.#target.known
    const called = knownName(name, port)
    return (await this.#lines()).some((line) => line.marker === 'cert-authority' && isAbout(line, called))
  }

  async #lines(): Promise<KnownHost[]> {
    const { name, port, files } = this.#target.known
    const texts = await Promise.all(files.map(read))
    return [...texts, (await this.#witnesses.memory.get(memoryKey(name, port))) ?? ''].flatMap(parseKnownHosts)
  }

  #refusal(message: string, fingerprint: string, hint: string): KlosetError {
    return new KlosetError('KLOSET_DENIED', message, { hint, context: { server: this.#target.where, fingerprint } })
  }

  #unknownHint(shown: string): string {
    const port = this.#target.port === 22 ? '' : `-p ${this.#target.port} `
    return `Compare the fingerprint with what “ssh-keygen -lf” prints on the server for its key. If it is the same, connect once with “ssh ${port}${this.#target.host}” and say yes, or give the option host-key=${shown}.`
  }

  #changedHint(): string {
    const { name, port, files } = this.#target.known
    return `Somebody between you and the server may be pretending to be it. Only if you know that the server has a new key, remove the old one: ssh-keygen -R '${knownName(name, port)}' -f ${files[0]}`
  }
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

// There may be hosts on the way, which are remembered with the same location.
const memoryKey = (name: string, port: number): string => `host-key ${knownName(name, port)}`

// As OpenSSH has them, without signatures by way of SHA-1.
const algorithms: readonly (readonly [kind: string, names: readonly ServerHostKeyAlgorithm[]])[] = [
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256']],
]

const otherKey =
  'A server has several keys, and shows the one of the first kind both sides know: make sure that the fingerprint given is of that kind. If it is, somebody may be pretending to be the server.'
const authority =
  'A line with @cert-authority in known_hosts is about this server, but certificates of hosts are not supported: its own key must be known.'
const revoked = 'A line with @revoked in known_hosts says that nobody should trust this key any more.'

function describe(key: Uint8Array): string {
  return kindOf(key).replace(/^ssh-|-sha2.*$/g, '')
}

/** A file that is not there knows nobody; one that cannot be read must not make a revoked key pass. */
async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw new KlosetError('KLOSET_CONNECTOR', `cannot read ${file}: ${(error as Error).message}`, { cause: error })
  }
}
