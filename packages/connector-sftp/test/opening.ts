import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectOptions, type OptionValue, Registry, type Storage } from 'kloset/connector'
import type { SshServer } from '../../../testing/servers/sshd.js'
import { sftp } from '../src/index.js'

/** A signal that is never aborted. */
export const signal: AbortSignal = new AbortController().signal
export const replacing: Parameters<Storage['put']>[2] = { signal, ifAbsent: false, tier: 'hot' }
export const ifAbsent: Parameters<Storage['put']>[2] = { signal, ifAbsent: true, tier: 'hot' }
export const whole: Parameters<Storage['get']>[1] = { signal, range: undefined }

/** An empty folder of the server, of its own. */
export function newFolder(server: SshServer): string {
  return mkdtempSync(join(server.folder, 'store-'))
}

/** The location of a folder of the server. */
export function locationOf(server: Pick<SshServer, 'host' | 'port' | 'user'>, folder: string): string {
  return `sftp://${server.user}@${server.host}:${server.port}${folder}`
}

/** What logs in to the server, and nothing of the configuration of whoever runs the tests. */
export function optionsFor(server: SshServer): Record<string, OptionValue> {
  return { identity: server.keyFile, 'known-hosts': server.knownHosts, 'ssh-config': 'none' }
}

/** What a {@link open} can be told besides. */
export interface Opening extends Partial<Omit<ConnectOptions, 'options'>> {
  readonly options?: Readonly<Record<string, OptionValue>>
}

/** Opens a location, without any option of its own. */
export function open(location: string, how: Opening = {}): Promise<Storage> {
  const memory = new Map<string, string>()
  return new Registry([sftp]).storage(location, {
    mode: 'create',
    signal,
    log: () => undefined,
    memory: {
      get: async (key) => memory.get(key),
      set: async (key, value) => void memory.set(key, value),
    },
    ...how,
  })
}

/** Opens a folder of the server. */
export function openOn(server: SshServer, folder: string, how: Opening = {}): Promise<Storage> {
  return open(locationOf(server, folder), { ...how, options: { ...optionsFor(server), ...how.options } })
}

/** `length` bytes, the same for the same seed. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** The names a listing gives. */
export async function namesIn(storage: Storage, prefix = ''): Promise<string[]> {
  const names: string[] = []
  for await (const batch of storage.list(prefix, { signal, after: undefined }))
    names.push(...batch.map(({ name }) => name))
  return names
}
