import { open, readFile } from 'node:fs/promises'
import { type Context, KlosetError } from 'kloset/connector'
import type { AnyAuthMethod, AuthenticationType, BaseAgent, IdentityCallback, ParsedKey } from 'ssh2'
import { type Login, type Target, usualIdentities } from '../config/target.js'
import type { Ssh2 } from './ssh2.js'

/** Asks a person for something that is not shown. */
export type AskSecret = (message: string) => Promise<string | undefined>

/** Something to log in with, and what it is called when it did not help. */
interface Attempt {
  readonly method: AnyAuthMethod
  readonly called: string
}

/**
 * Logs in: with nothing, the key files that were named, the agent, the usual key files and a password, in this order, as far as the server takes
 * each. A key file with a passphrase that is not known yet comes after the agent, which may hold the same key; for it and for a password a person
 * is asked only when nothing else is left.
 */
export class LoginAttempts {
  /** What was tried in vain, for the message. */
  readonly tried: string[] = []
  /** What the server takes, as far as it said. */
  offered: readonly AuthenticationType[] | undefined
  readonly #ssh2: Ssh2
  readonly #target: Target
  readonly #secrets: Secrets
  readonly #ask: AskSecret | undefined
  readonly #attempts: AsyncGenerator<Attempt>

  constructor(ssh2: Ssh2, target: Target, secrets: Secrets, ask: AskSecret | undefined) {
    this.#ssh2 = ssh2
    this.#target = target
    this.#secrets = secrets
    this.#ask = ask
    this.#attempts = this.#all()
  }

  /** The next thing to try, or false where nothing is left. */
  async next(offered: readonly AuthenticationType[] | null): Promise<AnyAuthMethod | false> {
    if (offered) this.offered = offered
    const { done, value } = await this.#attempts.next()
    if (done) return false
    if (value.called !== '') this.tried.push(value.called)
    return value.method
  }

  /** Why nobody was let in. */
  failure(cause: unknown): KlosetError {
    const { user, where } = this.#target
    const tried = this.tried.length === 0 ? 'there was nothing to try' : `tried: ${this.tried.join(', ')}`
    const offers = this.offered === undefined ? '' : `; the server takes: ${this.offered.join(', ')}`
    return new KlosetError('KLOSET_DENIED', `${where} does not let ${user} in (${tried}${offers})`, {
      hint: this.#hint(),
      context: { server: where, user },
      cause,
    })
  }

  #hint(): string {
    const key =
      'that the public key is in ~/.ssh/authorized_keys on the server; name the private key by the option identity.'
    if (!this.tried.some((each) => passwords.includes(each))) return `Check the user, and ${key}`
    const password = 'Check the user and the password (SFTP_PASSWORD, or the option password)'
    return this.#takes('publickey') ? `${password}. To log in with a key, check ${key}` : `${password}.`
  }

  async *#all(): AsyncGenerator<Attempt> {
    const { identities, agent } = this.#target.login
    const files = (identities ?? usualIdentities).map(
      (file) => new KeyFile(this.#ssh2, file, this.#target.login, this.#secrets),
    )
    const named = identities === undefined ? [] : await Promise.all(files.map((file) => file.open()))
    // As OpenSSH does: some servers want nothing more, and others tell what they take, so that nobody is asked for what they do not.
    yield this.#attempt({ type: 'none' }, '')
    for (const found of named) yield* this.#withKey(found)
    if (agent !== undefined && this.#takes('publickey'))
      yield this.#attempt({ type: 'agent', agent: await this.#agent(agent) }, 'the SSH agent')
    if (identities === undefined) for (const file of files) yield* this.#withKey(await file.open())
    if (this.#takes('publickey')) for (const file of files) yield* this.#withKey(await file.openAsking(this.#ask))
    yield* this.#withPassword()
  }

  *#withKey(found: FoundKey | undefined): Generator<Attempt> {
    if (!found) return
    if (found.key === undefined) this.tried.push(found.called)
    else if (this.#takes('publickey')) yield this.#attempt({ type: 'publickey', key: found.key }, found.called)
  }

  async *#withPassword(): AsyncGenerator<Attempt> {
    const known = this.#secrets.password ?? this.#target.login.password
    const tried = known !== undefined && this.#takes('password')
    if (tried) yield this.#attempt({ type: 'password', password: known }, 'the password')
    // After a password was accepted and did not suffice, it is not what the server asks for next.
    const answer = tried ? undefined : known
    if (this.#takes('keyboard-interactive') && (answer !== undefined || this.#ask)) {
      yield this.#attempt({ type: 'keyboard-interactive', prompt: this.#answering(answer) }, 'answers to its questions')
    }
    // As often as OpenSSH.
    for (let times = 0; known === undefined && times < 3 && this.#takes('password'); times++) {
      const { user, where } = this.#target
      const password = await this.#ask?.(`The password of ${user} on ${where}`)
      if (password === undefined) return
      this.#secrets.password = password
      yield this.#attempt({ type: 'password', password }, 'a password that was typed')
      // It was not the right one: what connects later asks again.
      this.#secrets.password = undefined
    }
  }

  /** Questions whose answers are not shown are answered with the password, once; the rest by a person. */
  #answering(password: string | undefined): Prompter {
    let left = password
    return (_name, instructions, _language, prompts, finish) => {
      const answer = async (): Promise<string[]> => {
        const answers: string[] = []
        for (const { prompt, echo } of prompts) {
          const known = echo ? undefined : left
          if (known !== undefined) left = undefined
          const question = [instructions, prompt].filter((text) => text !== '').join(' ')
          answers.push(known ?? (await this.#ask?.(`${this.#target.where} asks: ${question}`)) ?? '')
        }
        return answers
      }
      answer().then(finish, () => finish([]))
    }
  }

  #takes(method: AuthenticationType): boolean {
    return this.offered === undefined || this.offered.includes(method)
  }

  #attempt(method: Unnamed, called: string): Attempt {
    return { method: { ...method, username: this.#target.user } as AnyAuthMethod, called }
  }

  /** The agent, or of its keys those that were named: servers hang up after a few that they do not know. */
  async #agent(socket: string): Promise<BaseAgent | string> {
    const { identities, onlyIdentities } = this.#target.login
    if (!onlyIdentities || identities === undefined || process.platform === 'win32') return socket
    const wanted = (await Promise.all(identities.map((file) => publicKey(this.#ssh2, file)))).filter(
      (key) => key !== undefined,
    )
    class Chosen extends this.#ssh2.OpenSSHAgent {
      override getIdentities(told: IdentityCallback<ParsedKey>): void {
        super.getIdentities((error, keys) => {
          // This agent gives parsed keys, which the type leaves open.
          const chosen = (keys as ParsedKey[] | undefined)?.filter((key) =>
            wanted.some((one) => one.equals(key.getPublicSSH())),
          )
          told(error, chosen)
        })
      }
    }
    return new Chosen(socket)
  }
}

/** What {@link LoginAttempts.tried} calls passwords. */
const passwords: readonly string[] = ['the password', 'answers to its questions', 'a password that was typed']

/** Secrets that a person typed, kept for the connections that follow. */
export interface Secrets {
  password: string | undefined
  readonly passphrases: Map<string, string>
}

/** Asks for secrets by way of the context; undefined where nobody is there. */
export function secretsFrom(context: Pick<Context, 'ask'>): AskSecret | undefined {
  if (!context.ask) return undefined
  return async (message) => {
    const answer = await context.ask!({ kind: 'secret', message })
    return typeof answer === 'string' ? answer : undefined
  }
}

type Unnamed = AnyAuthMethod extends infer M ? (M extends AnyAuthMethod ? Omit<M, 'username'> : never) : never
type Prompter = Extract<AnyAuthMethod, { type: 'keyboard-interactive' }>['prompt']

interface FoundKey {
  readonly called: string
  /** Undefined where it cannot be used. */
  readonly key: ParsedKey | undefined
}

/** A file with a private key, which may need a passphrase. */
class KeyFile {
  readonly #ssh2: Ssh2
  readonly #path: string
  readonly #login: Login
  readonly #secrets: Secrets
  #locked = false
  /** Whether others can read the file, which they then could log in with. */
  #exposed = false

  constructor(ssh2: Ssh2, path: string, login: Login, secrets: Secrets) {
    this.#ssh2 = ssh2
    this.#path = path
    this.#login = login
    this.#secrets = secrets
  }

  /** The key, where it is there and needs nobody's help. */
  async open(): Promise<FoundKey | undefined> {
    const text = await this.#read()
    if (text === undefined) return undefined
    const bare = this.#parse(text, undefined)
    // Named for the agent, which holds the private part.
    if (bare instanceof Error && publicOnly(this.#ssh2, text)) return undefined
    if (this.#exposed) return this.#refused()
    if (!(bare instanceof Error)) return this.#found(bare)
    if (!/passphrase/i.test(bare.message)) throw this.#unusable(bare)
    const passphrase = this.#secrets.passphrases.get(this.#path) ?? this.#login.passphrase
    if (passphrase === undefined) {
      this.#locked = true
      return undefined
    }
    const key = this.#parse(text, passphrase)
    if (!(key instanceof Error)) return this.#found(key)
    if (this.#login.explicit) throw this.#unusable(key)
    return { called: `${this.#path} (its passphrase is another one)`, key: undefined }
  }

  /** The key, where `open` found that it needs a passphrase and a person knows it. */
  async openAsking(ask: AskSecret | undefined): Promise<FoundKey | undefined> {
    const text = this.#locked ? await this.#read() : undefined
    if (text === undefined) return undefined
    for (let times = 0; times < 3; times++) {
      const passphrase = await ask?.(`The passphrase of the key ${this.#path}`)
      if (passphrase === undefined) return { called: `${this.#path} (it has a passphrase)`, key: undefined }
      const key = this.#parse(text, passphrase)
      if (key instanceof Error) continue
      this.#secrets.passphrases.set(this.#path, passphrase)
      return this.#found(key)
    }
    return { called: `${this.#path} (its passphrase is another one)`, key: undefined }
  }

  #parse(text: Buffer, passphrase: string | undefined): ParsedKey | Error {
    const parsed = this.#ssh2.utils.parseKey(text, passphrase) as ParsedKey | ParsedKey[] | Error
    const key = Array.isArray(parsed) ? parsed[0]! : parsed
    if (key instanceof Error || key.isPrivateKey()) return key
    return new Error('it is a public key')
  }

  #found(key: ParsedKey): FoundKey {
    return { called: this.#path, key }
  }

  async #read(): Promise<Buffer | undefined> {
    try {
      const file = await open(this.#path)
      try {
        const { uid, mode } = await file.stat()
        // OpenSSH does not ask that of files of other users, which root may use.
        this.#exposed = uid === process.geteuid?.() && (mode & 0o077) !== 0
        return await file.readFile()
      } finally {
        await file.close()
      }
    } catch (cause) {
      if (!this.#login.explicit) return undefined
      const absent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
      throw new KlosetError(absent ? 'KLOSET_NOT_FOUND' : 'KLOSET_DENIED', `cannot read the key ${this.#path}`, {
        hint: absent
          ? 'There is no such file: check the option identity, and that what it is on is mounted.'
          : 'Run as a user who may read it, or change its owner.',
        context: { path: this.#path },
        cause,
      })
    }
  }

  /** A private key that others can read is none, as for OpenSSH. */
  #refused(): FoundKey {
    const hint = `chmod 600 ${this.#path}`
    if (!this.#login.explicit) return { called: `${this.#path} (others can read it: ${hint})`, key: undefined }
    throw new KlosetError('KLOSET_DENIED', `others can read the private key ${this.#path}`, {
      hint: `Make it yours alone: ${hint}`,
      context: { path: this.#path },
    })
  }

  #unusable(cause: Error): KlosetError {
    return new KlosetError('KLOSET_DENIED', `cannot use the key ${this.#path}: ${cause.message}`, {
      hint: 'It must be a private key of OpenSSH, PEM or PuTTY; its passphrase is the option identity-passphrase.',
      context: { path: this.#path },
      cause,
    })
  }
}

function publicOnly(ssh2: Ssh2, text: Buffer): boolean {
  const parsed = ssh2.utils.parseKey(text)
  return !(parsed instanceof Error) && !(Array.isArray(parsed) ? parsed[0]! : parsed).isPrivateKey()
}

/** The public part of a key file: what lies beside it, or it itself. */
async function publicKey(ssh2: Ssh2, file: string): Promise<Buffer | undefined> {
  for (const path of [`${file}.pub`, file]) {
    const parsed = ssh2.utils.parseKey(await readFile(path).catch(() => '')) as ParsedKey | Error
    if (!(parsed instanceof Error) && !Array.isArray(parsed)) return parsed.getPublicSSH()
  }
  return undefined
}
