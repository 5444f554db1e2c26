import type { Call } from '../connector/index.js'
import type { CommitLog, EntryDraft, LogEntry, LogState } from '../log/index.js'

/** So many names fit into an entry of the log, with all else that is in it. */
export const namesPerEntry = 1_900

/**
 * Appends an entry that `draft` makes of the newest state, each time the log has moved on anew. Undefined where it gave none: then
 * nothing is left to say.
 */
export async function appendWhile(
  log: CommitLog,
  draft: (now: LogState) => EntryDraft | undefined | Promise<EntryDraft | undefined>,
  call: Call,
): Promise<LogEntry | undefined> {
  const reconsider = async (now: LogState): Promise<EntryDraft> => {
    const next = await draft(now)
    if (next === undefined) throw new NothingLeft()
    return next
  }
  try {
    const now = log.state
    return await log.append(await reconsider(now), { ...call, since: now.position, reconsider })
  } catch (error) {
    if (error instanceof NothingLeft) return undefined
    throw error
  }
}

/** Says a kind of thing of packs, in as many entries as that takes; `still` tells whether it is still to be said of one. */
export async function sayOf(
  log: CommitLog,
  kind: 'suspect' | 'purge' | 'purged',
  packs: Iterable<string>,
  still: (now: LogState, pack: string) => boolean,
  call: Call,
): Promise<ReadonlySet<string>> {
  const said = new Set<string>()
  for (const group of groupsOf([...packs], namesPerEntry)) {
    const entry = await appendWhile(
      log,
      (now) => {
        const left = group.filter((pack) => still(now, pack))
        return left.length === 0 ? undefined : { content: { kind }, packs: left }
      },
      call,
    )
    for (const pack of entry?.packs ?? []) said.add(pack)
  }
  return said
}

/** Beside what else an entry has to name, it lifts so many packs at most. */
const mostLifted = 1_000

/** Lifts packs until an entry can lift the others, which are given: those it names itself then count from the same moment on as what it is about. */
export async function liftAhead(log: CommitLog, packs: readonly string[], call: Call): Promise<readonly string[]> {
  let left = packs
  for (; left.length > mostLifted; left = left.slice(mostLifted)) {
    const draft: EntryDraft = { content: { kind: 'undelete', snapshots: [] }, lifted: left.slice(0, mostLifted) }
    await log.append(draft, { ...call, since: log.state.position, reconsider: () => draft })
  }
  return left
}

/** Groups of at most so many. */
export function groupsOf<T>(items: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, i) => items.slice(i * most, (i + 1) * most))
}

/** There is nothing left to append. */
class NothingLeft extends Error {}
