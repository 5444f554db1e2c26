import { readFileSync } from 'node:fs'
import type { Entry } from 'kloset/connector'

type Owner = NonNullable<Entry['owner']>

/** Gives the owner of an entry, with names where the system's own files know them. */
export class Owners {
  readonly #users = namesIn('/etc/passwd')
  readonly #groups = namesIn('/etc/group')
  readonly #known = new Map<number, Map<number, Owner>>()
  #last: Owner = { uid: -1, gid: -1 }

  /** The same object for the same ids: most entries of a tree have one owner. */
  of(uid: number, gid: number): Owner {
    if (this.#last.uid === uid && this.#last.gid === gid) return this.#last
    const ofUser = this.#known.get(uid) ?? new Map<number, Owner>()
    this.#known.set(uid, ofUser)
    const owner = ofUser.get(gid) ?? this.#make(uid, gid)
    ofUser.set(gid, owner)
    this.#last = owner
    return owner
  }

  #make(uid: number, gid: number): Owner {
    const [user, group] = [this.#users.get(uid), this.#groups.get(gid)]
    return { uid, gid, ...(user !== undefined && { user }), ...(group !== undefined && { group }) }
  }
}

/** Both files have lines of `name:password:number:…`; the first line of a number counts, as for the system. */
function namesIn(path: string): Map<number, string> {
  const names = new Map<number, string>()
  let lines: string[] = []
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch {
    // Not every system has it: owners are numbers then.
  }
  for (const line of lines) {
    const [name, , number] = line.split(':')
    if (name && number && /^\d+$/.test(number) && !names.has(Number(number))) names.set(Number(number), name)
  }
  return names
}
