import { readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { makeFolders } from './make-folders.js'

/**
 * What is remembered about a store on this machine: `$XDG_STATE_HOME/kloset/<store id>.json` (XDG Base Directory Specification;
 * a relative XDG_STATE_HOME is ignored, as it says). Nothing in it is secret, and losing it costs nothing but the order of samples.
 */
export interface StoreState {
  /** How many rounds of `check --sample` were completed. */
  readonly sampleRounds: number
}

/** Reads what is remembered; where there is nothing, or nothing readable, the state of a new store. */
export async function readState(storeId: string, env: NodeJS.ProcessEnv = process.env): Promise<StoreState> {
  try {
    const found: unknown = JSON.parse(await readFile(stateFile(storeId, env), 'utf8'))
    const rounds = typeof found === 'object' && found !== null && 'sampleRounds' in found ? found.sampleRounds : 0
    return { sampleRounds: Number.isSafeInteger(rounds) && (rounds as number) >= 0 ? (rounds as number) : 0 }
  } catch {
    return { sampleRounds: 0 }
  }
}

/** Remembers it, all or nothing. */
export async function writeState(
  storeId: string,
  state: StoreState,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const file = stateFile(storeId, env)
  await makeFolders(dirname(file))
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  await rename(temporary, file)
}

function stateFile(storeId: string, env: NodeJS.ProcessEnv): string {
  const given = env.XDG_STATE_HOME
  const home = given && isAbsolute(given) ? given : join(homedir(), '.local', 'state')
  return join(home, 'kloset', `${storeId.replace(/[^0-9a-zA-Z-]/g, '_')}.json`)
}
