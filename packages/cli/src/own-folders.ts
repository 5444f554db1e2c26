import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { parseLocation } from 'kloset/connector'
import { type Opening, ownLocation, type StoreFlags } from './store.js'

/** Folders of this machine that a backup does not need: it is written to one of them, and the others can be had again. */
export interface OwnFolders {
  /** Where the store is; undefined where that is another machine. */
  readonly store: string | undefined
  readonly all: readonly string[]
}

/** What of this machine is the command's own: the store, its cache, and what it remembers of stores. */
export async function ownFolders(
  opening: Pick<Opening, 'location'>,
  { cacheDir }: Pick<StoreFlags, 'cacheDir'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<OwnFolders> {
  const { location } = parseLocation(await ownLocation(opening))
  const store = location.protocol === 'fs' ? location.path : undefined
  const cache = cacheDir ?? (env.KLOSET_CACHE_DIR || home(env.XDG_CACHE_HOME, '.cache'))
  const state = home(env.XDG_STATE_HOME, join('.local', 'state'))
  return { store, all: [...(store === undefined ? [] : [store]), cache, state] }
}

/** As the XDG Base Directory Specification has it: relative paths are ignored. */
function home(given: string | undefined, otherwise: string): string {
  return join(given && isAbsolute(given) ? given : join(homedir(), otherwise), 'kloset')
}
