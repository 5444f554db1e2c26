import type { ImportOptions } from '../api.js'
import type { PastSnapshot } from '../connector/index.js'
import { importedFrom, type LoggedSnapshot, type LogState } from '../log/index.js'
import { type Selectable, selectSnapshots } from '../snapshot/index.js'

/** What is to be done with the snapshots that were asked for, each list oldest first. */
export interface Selection {
  readonly wanted: readonly PastSnapshot[]
  /** They were imported before. */
  readonly present: readonly PastSnapshot[]
  /** They were imported before, and forgotten since. */
  readonly forgotten: readonly PastSnapshot[]
}

/** Which snapshots of a program of this `type` are to be imported. @throws as {@link selectSnapshots} */
export function selectForImport(
  type: string,
  snapshots: readonly PastSnapshot[],
  here: LogState,
  { snapshots: names, where, includeForgotten = false }: ImportOptions,
): Selection {
  const candidates = snapshots.map(candidateOf)
  candidates.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  const asked = selectSnapshots(candidates, names, where)
  const present = originsOf(type, here.snapshots.values())
  const forgotten = originsOf(type, here.forgotten.values())
  const fateOf = (each: Candidate): keyof Selection => {
    if (present.has(each.id) || present.has(sameness(each.time, each.original.content))) return 'present'
    const wasHere = forgotten.has(each.id) || forgotten.has(sameness(each.time, each.original.content))
    return wasHere && !includeForgotten ? 'forgotten' : 'wanted'
  }
  const by = (fate: keyof Selection): PastSnapshot[] =>
    asked.filter((each) => fateOf(each) === fate).map(({ original }) => original)
  return { wanted: by('wanted'), present: by('present'), forgotten: by('forgotten') }
}

interface Candidate extends Selectable {
  readonly original: PastSnapshot
}

function candidateOf(original: PastSnapshot): Candidate {
  const { id, time, host, tags, roots } = original
  return { id, time: time.toISOString(), host, tags, sources: roots.map((root) => ({ root })), original }
}

/** Of all that were imported from such a program: their ids there, and what shows that one is the same although its id changed. */
function originsOf(type: string, logged: Iterable<LoggedSnapshot>): ReadonlySet<string> {
  const origins = new Set<string>()
  for (const { record } of logged) {
    const imported = importedFrom(record)
    if (imported?.from === type) origins.add(imported.id).add(sameness(record.time, imported.content))
  }
  return origins
}

function sameness(time: string, content: string): string {
  return `${time} ${content}`
}
