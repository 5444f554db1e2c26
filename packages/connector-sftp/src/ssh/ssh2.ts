import type * as ssh2 from 'ssh2'

/** The package that speaks SSH. */
export type Ssh2 = typeof ssh2

/** Loads it, which takes a while: nobody should wait for it who does not connect. */
export async function loadSsh2(): Promise<Ssh2> {
  return ((await import('ssh2')) as { default?: Ssh2 } & Ssh2).default ?? (await import('ssh2'))
}
