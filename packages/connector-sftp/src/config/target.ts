import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { KlosetError, type Location } from 'kloset/connector'
import type { SftpSettings } from '../options.js'
import { expandHome, type HostConfig, readSshConfig } from './ssh-config.js'

/** Where to connect to, as whom, and how to tell that it is the right one. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  /** How messages call it: `host:port`. */
  readonly where: string
  /** How its key is looked up. */
  readonly known: {
    /** The name and port it has in known_hosts. */
    readonly name: string
    readonly port: number
    /** The first is the one that is added to. */
    readonly files: readonly string[]
    /** Whether names that are added are hashed. */
    readonly hashed: boolean
    /** `SHA256:…`, which alone is accepted. */
    readonly fingerprint: string | undefined
  }
  readonly login: Login
  /** How it is reached, where not directly. */
  readonly way: Way | undefined
}

/** The way to a host that is not reached directly: another host, which is logged in to first, or a command that talks to it. */
export type Way = { readonly jump: Target } | { readonly command: string }

/** What there is to log in with. */
export interface Login {
  /** Key files that were asked for; undefined where the usual ones are tried. */
  readonly identities: readonly string[] | undefined
  /** Whether `identities` come from the options: then each must be there. */
  readonly explicit: boolean
  readonly passphrase: string | undefined
  /** The socket of the agent. */
  readonly agent: string | undefined
  /** Whether of the agent's keys only those of `identities` are tried. */
  readonly onlyIdentities: boolean
  readonly password: string | undefined
}

/** The key files that OpenSSH tries by itself, of the kinds known here. */
export const usualIdentities: readonly string[] = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) =>
  join(homedir(), '.ssh', name),
)

/**
 * Puts together what the location, the options and OpenSSH's configuration say, of which an earlier one wins.
 * @throws KLOSET_CONNECTOR for what does not make sense, KLOSET_UNSUPPORTED for a command that is not allowed
 */
export function targetOf(at: Location, options: SftpSettings): Target {
  if (at.host === '')
    throw new KlosetError('KLOSET_CONNECTOR', `${at} has no host`, { hint: 'Write sftp://host/path.' })
  return hostOf(at, options, [])
}

/** A host by the name that one writes, which is perhaps one of the configuration. */
interface Named {
  readonly host: string
  readonly port: number | undefined
  readonly user: string | undefined
}

function hostOf(at: Named, options: SftpSettings, before: readonly string[], jumps?: readonly string[]): Target {
  const file = options['ssh-config']
  const config: HostConfig =
    file === 'none' ? new Map() : readSshConfig(at.host, file === undefined ? undefined : expandHome(file))
  const one = (keyword: string): string | undefined => config.get(keyword)?.[0]
  const host = (one('hostname') ?? at.host).replaceAll('%h', at.host).replaceAll('%%', '%')
  const port = at.port ?? options.port ?? Number(one('port') ?? 22)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw notAPort(at.host, port)
  const user = at.user ?? options.user ?? one('user') ?? userInfo().username
  const tokens = tokensFor({ host, port, user, original: at.host })
  const files = (keyword: string): string[] | undefined => config.get(keyword)?.map(tokens)
  const alias = one('hostkeyalias')
  const knownHosts = options['known-hosts']
  return {
    host,
    port,
    user,
    where: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    known: {
      name: alias ?? host,
      port: alias === undefined ? port : 22,
      files:
        knownHosts === undefined
          ? [
              ...(files('userknownhostsfile') ?? usualKnownHosts),
              ...(files('globalknownhostsfile') ?? systemKnownHosts),
            ]
          : [expandHome(knownHosts)],
      hashed: one('hashknownhosts')?.toLowerCase() === 'yes',
      fingerprint: fingerprintOf(options['host-key']),
    },
    login: {
      identities: options.identity === undefined ? files('identityfile') : [expandHome(options.identity)],
      explicit: options.identity !== undefined,
      passphrase: options['identity-passphrase'],
      agent: agentOf(options.agent, one('identityagent')),
      onlyIdentities: one('identitiesonly')?.toLowerCase() === 'yes',
      password: options.password,
    },
    way: wayTo(at, jumps ?? one('proxyjump')?.split(','), one('proxycommand'), tokens, options, before),
  }
}

/** Of several hosts on the way, each is reached through the ones before it; what the configuration says of the way to the first counts, too. */
function wayTo(
  { host }: Named,
  jumps: readonly string[] | undefined,
  command: string | undefined,
  tokens: (text: string) => string,
  options: SftpSettings,
  before: readonly string[],
): Way | undefined {
  const last = jumps?.at(-1)
  if (last !== undefined && last.toLowerCase() !== 'none') {
    const jump = jumpIn(tokens(last), host)
    if (before.length >= mostJumps) throw inCircles(host)
    const rest = jumps!.slice(0, -1)
    const way = hostOf(jump, onTheWay(options), [...before, host], rest.length > 0 ? rest : undefined)
    return { jump: way }
  }
  if (last !== undefined || command === undefined || command.toLowerCase() === 'none') return undefined
  if (options['proxy-command'] === true) return { command: harmless(tokens, command) }
  throw new KlosetError('KLOSET_UNSUPPORTED', `${host} is to be reached by a command, which has to be allowed`, {
    hint: `The SSH configuration sets ProxyCommand: if “${command}” may be run, set the option proxy-command=yes.`,
    context: { host, setting: 'ProxyCommand' },
  })
}

/** A command with its tokens replaced, as long as none of them means anything to a shell: names come from locations, which may be somebody else's. */
function harmless(tokens: (text: string) => string, command: string): string {
  for (const token of ['%h', '%n', '%r']) {
    const value = tokens(token)
    if (command.includes(token) && !/^[\w.:%@+~][\w.:%@+~-]*$/.test(value))
      throw new KlosetError('KLOSET_CONNECTOR', `${JSON.stringify(value)} cannot be part of a ProxyCommand`, {
        hint: 'Names of hosts and users in commands may have letters, digits and . : - _ only.',
        context: { setting: 'ProxyCommand' },
      })
  }
  return tokens(command)
}

/** What is said of the server of the store says nothing of those on the way to it; no secret is shown to them. */
function onTheWay(options: SftpSettings): SftpSettings {
  const nothing = { user: undefined, port: undefined, identity: undefined, password: undefined }
  return { ...options, ...nothing, 'identity-passphrase': undefined, 'host-key': undefined }
}

function jumpIn(text: string, of: string): Named {
  const [, user, bracketed, plain, port] =
    /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:@/]+))(?::(\d+))?\/?$/.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  if (host !== undefined) return { host, user, port: port === undefined ? undefined : Number(port) }
  throw new KlosetError('KLOSET_CONNECTOR', `the SSH configuration of ${of} has a ProxyJump that is no host: ${text}`, {
    hint: 'Write ProxyJump user@host:port, and several with commas.',
    context: { host: of },
  })
}

const mostJumps = 8

function inCircles(host: string): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `the way to ${host} leads through more than ${mostJumps} other hosts`, {
    hint: 'Hosts of the SSH configuration may name each other in ProxyJump.',
    context: { host },
  })
}

const usualKnownHosts = ['known_hosts', 'known_hosts2'].map((name) => join(homedir(), '.ssh', name))
const systemKnownHosts = ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']

/** What the configuration says of agents wins over the environment; neither is asked where the option says `none`. */
function agentOf(option: string | undefined, configured: string | undefined): string | undefined {
  const agent = option === 'none' || configured === undefined || configured === 'SSH_AUTH_SOCK' ? option : configured
  return agent === undefined || agent.toLowerCase() === 'none' ? undefined : expandHome(agent)
}

/** The tokens of ssh_config(5) that can be part of a file's name. */
function tokensFor(of: { host: string; port: number; user: string; original: string }): (text: string) => string {
  const values: Readonly<Record<string, string>> = {
    '%': '%',
    d: homedir(),
    h: of.host,
    L: hostname().replace(/\..*/, ''),
    l: hostname(),
    n: of.original,
    p: String(of.port),
    r: of.user,
    u: userInfo().username,
  }
  return (text) => expandHome(text.replace(/%(.)/g, (token, letter: string) => values[letter] ?? token))
}

function fingerprintOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const [, digest] = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(given.trim()) ?? []
  if (digest !== undefined) return `SHA256:${digest}`
  throw new KlosetError('KLOSET_CONNECTOR', 'the option host-key is not a fingerprint', {
    hint: 'Give what “ssh-keygen -l” prints for the key of the server: SHA256: and 43 characters.',
  })
}

function notAPort(host: string, port: number): KlosetError {
  return new KlosetError('KLOSET_CONNECTOR', `${host} has no valid port: ${port}`, {
    hint: 'Ports go from 1 to 65535.',
    context: { port },
  })
}
