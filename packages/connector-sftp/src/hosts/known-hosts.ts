import { createHmac, randomBytes } from 'node:crypto'
import { matchesPattern } from './pattern.js'

/**
 * Lines of a known_hosts file, as sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", describes it. Lines that cannot be read are left out, as OpenSSH
 * does: they can only make hosts less known.
 */
export interface KnownHost {
  readonly marker: 'revoked' | 'cert-authority' | undefined
  /** Patterns with commas between, or one hash. */
  readonly hosts: string
  /** The kind of key: `ssh-ed25519`. */
  readonly kind: string
  /** The public key, in SSH's wire format. */
  readonly key: Buffer
}

/** What known_hosts files say of a key that a host shows. */
export type Verdict = 'known' | 'unknown' | 'changed' | 'revoked'

/** How a host is called in known_hosts: with its port only where that is not 22. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

export function parseKnownHosts(text: string): KnownHost[] {
  return text.split('\n').flatMap(parseLine)
}

/** Whether a line is about `name`, as {@link knownName} makes it. */
export function isAbout(line: KnownHost, name: string): boolean {
  if (line.hosts.startsWith(hashMark)) return matchesHash(line.hosts, name)
  const patterns = line.hosts.toLowerCase().split(',')
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(name, pattern.slice(1)))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(name, pattern))
}

/**
 * What `lines` say of `key`, shown by `host` on `port`. A host that is known by keys of other kinds only has changed: somebody in
 * between would show exactly such a key. A key that is known for the host without a port is known for all ports, as OpenSSH has it.
 */
export function judge(lines: readonly KnownHost[], host: string, port: number, key: Uint8Array): Verdict {
  const name = knownName(host, port)
  const plain = knownName(host, 22)
  const same = (line: KnownHost): boolean => line.key.equals(key)
  const about = lines.filter((line) => isAbout(line, name))
  const aboutPlain = lines.filter((line) => isAbout(line, plain))
  if ([...about, ...aboutPlain].some((line) => line.marker === 'revoked' && same(line))) return 'revoked'
  const keys = about.filter(({ marker }) => marker === undefined)
  if (keys.some(same) || aboutPlain.some((line) => line.marker === undefined && same(line))) return 'known'
  return keys.length > 0 ? 'changed' : 'unknown'
}

/** The kinds of keys by which a host is known, to ask it for those first. */
export function knownKinds(lines: readonly KnownHost[], host: string, port: number): Set<string> {
  const names = [knownName(host, port), knownName(host, 22)]
  const about = lines.filter((line) => line.marker === undefined && names.some((name) => isAbout(line, name)))
  return new Set(about.map(({ kind }) => kind))
}

/** The line that makes a host known; `hashed` hides its name. */
export function knownHostLine(name: string, key: Uint8Array, hashed: boolean): string {
  return `${hashed ? hashOf(name, randomBytes(20)) : name} ${kindOf(key)} ${Buffer.from(key).toString('base64')}\n`
}

/** The kind a key says it is: the first string in it. */
export function kindOf(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length)
  if (bytes.length < 4) return ''
  return bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString('latin1')
}

const hashMark = '|1|'

function parseLine(line: string): KnownHost[] {
  const fields = line.trim().split(/[ \t]+/)
  const marker = fields[0]?.startsWith('@') ? fields.shift()!.slice(1) : undefined
  const [hosts, kind, encoded] = fields
  if (hosts === undefined || hosts.startsWith('#') || kind === undefined || encoded === undefined) return []
  if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return []
  const key = Buffer.from(encoded, 'base64')
  return kindOf(key) === kind ? [{ marker, hosts, kind, key }] : []
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, with the salt as its key. */
function matchesHash(hosts: string, name: string): boolean {
  const [salt, hash] = hosts.slice(hashMark.length).split('|')
  if (salt === undefined || hash === undefined) return false
  return hashOf(name, Buffer.from(salt, 'base64')) === hosts
}

function hashOf(name: string, salt: Uint8Array): string {
  const hash = createHmac('sha1', salt).update(name).digest('base64')
  return `${hashMark}${Buffer.from(salt).toString('base64')}|${hash}`
}
