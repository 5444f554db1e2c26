import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Store } from '../packages/kloset/src/index.js'

/** How many backups each of the processes makes: less than the 125 which eight need for a thousand, unless KLOSET_ROUNDS says so. */
export function roundsOn(place: 'disk' | 'server'): number {
  return Number(process.env.KLOSET_ROUNDS ?? (place === 'disk' ? 60 : 30))
}

/** Where a store is, for a process of its own. */
export interface StorePlace {
  /** The folder of the connector's package, and the name it exports the connector by. */
  readonly package: string
  readonly export: string
  readonly location: string
  readonly options?: Readonly<Record<string, string | number | boolean>>
}

/** What was done to a store by processes that worked at the same time. */
export interface Done {
  /** Ids of snapshots whose backups said that they are committed. */
  readonly committed: ReadonlySet<string>
  readonly forgotten: ReadonlySet<string>
  /** Packs that were deleted meanwhile. */
  readonly purged: number
}

/**
 * Runs `writers` processes that make `rounds` backups each into one store, while one more forgets old snapshots and prunes all the time. Rejects if one
 * of them fails. The packages must have been built.
 */
export async function workAtOnce(
  place: StorePlace,
  { writers, rounds, grace = 0 }: { readonly writers: number; readonly rounds: number; readonly grace?: number },
): Promise<Done> {
  const done = { committed: new Set<string>(), forgotten: new Set<string>(), purged: 0 }
  const told = (line: string): void => {
    const [what, value = ''] = line.split(' ')
    if (what === 'committed') done.committed.add(value)
    else if (what === 'forgot') done.forgotten.add(value)
    else if (what === 'purged') done.purged += Number(value)
  }
  const pruner = startWriter({ ...place, work: 'prune', grace }, told)
  const running = Array.from({ length: writers }, (_, number) =>
    startWriter({ ...place, work: 'write', number, rounds }, told),
  )
  try {
    await Promise.race([Promise.all(running.map((one) => one.ended)), pruner.ended.then(() => Promise.reject(early))])
    pruner.stop()
    await pruner.ended
  } finally {
    for (const one of [...running, pruner]) one.kill()
  }
  return done
}

/**
 * What is wrong with a store after {@link workAtOnce}, as lines of text: a snapshot that was acknowledged and is not there, one that is there and was
 * not, damage that reading everything finds, and content that is not what its writer had.
 */
export async function wrongAfter(store: Store, { committed, forgotten }: Done): Promise<string[]> {
  const wrong: string[] = []
  const live = new Set<string>()
  for await (const snapshot of store.snapshots()) {
    live.add(snapshot.id)
    if (!committed.has(snapshot.id)) wrong.push(`${snapshot.id} was never acknowledged`)
    if (forgotten.has(snapshot.id)) wrong.push(`${snapshot.id} was forgotten`)
    const number = snapshot.tags[0]?.replace('writer-', '')
    for await (const { path, type } of snapshot.walk()) {
      if (type !== 'file') continue
      const seed = (await (await snapshot.open(path)).text()).split('\n')[0] ?? ''
      const expected = path.startsWith('shared/') ? `shared ${path.slice(7)}` : `writer ${number}`
      if (!seed.startsWith(expected)) wrong.push(`${path} of ${snapshot.id} begins with '${seed}'`)
    }
  }
  for (const id of committed) if (!live.has(id) && !forgotten.has(id)) wrong.push(`${id} was acknowledged and is gone`)
  for await (const finding of store.check({ read: 'all' })) {
    if (finding.level === 'error') wrong.push(`${finding.code}: ${finding.message}`)
  }
  return wrong
}

const early = new Error('the process that prunes ended before it was told to')

interface Running {
  readonly ended: Promise<void>
  stop(): void
  kill(): void
}

function startWriter(role: object, told: (line: string) => void): Running {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./writer.mjs', import.meta.url)), JSON.stringify(role)])
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })
  const lines = createInterface({ input: child.stdout }).on('line', told)
  const ended = Promise.all([once(child, 'exit'), once(lines, 'close')]).then(([[code, signal]]) => {
    if (code !== 0) throw new Error(`a process that worked on the store ended with ${code ?? signal}: ${errors}`)
  })
  ended.catch(() => undefined)
  return { ended, stop: () => child.stdin.end(), kill: () => child.kill('SIGKILL') }
}
