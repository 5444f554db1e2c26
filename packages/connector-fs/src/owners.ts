import { readFileSync } from 'node:fs'
import type { Entry } from 'kloset/connector'

type Owner = NonNullable<Entry['owner']>

/** Gives the owner of an entry, with names where the system's own files know them. */
export class Owners {
  readonly #users = namesByNumber(users)
  readonly #groups = namesByNumber(groups)
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

/** Finds the numbers that the owner of an entry has on this machine. */
export class OwnerNumbers {
  readonly #users: ReadonlyMap<string, number>
  readonly #groups: ReadonlyMap<string, number>

  /** By `names`, whoever has the name here counts, and where nobody does, the number; `numbers` are taken as they are. */
  constructor(by: 'names' | 'numbers') {
    this.#users = by === 'names' ? numbersByName(users) : new Map()
    this.#groups = by === 'names' ? numbersByName(groups) : new Map()
  }

  user({ uid, user }: Owner): number | undefined {
    return numberOf(uid, user, this.#users)
  }

  group({ gid, group }: Owner): number | undefined {
    return numberOf(gid, group, this.#groups)
  }
}

const users = '/etc/passwd'
const groups = '/etc/group'

/** Root is root everywhere, whatever it is called. */
function numberOf(
  number: number | undefined,
  name: string | undefined,
  known: ReadonlyMap<string, number>,
): number | undefined {
  return number === 0 || name === undefined ? number : (known.get(name) ?? number)
}

/** The first line of a number counts, and so does that of a name, as for the system. */
function namesByNumber(path: string): Map<number, string> {
  const names = new Map<number, string>()
  for (const [name, number] of linesOf(path)) if (!names.has(number)) names.set(number, name)
  return names
}

function numbersByName(path: string): Map<string, number> {
  const numbers = new Map<string, number>()
  for (const [name, number] of linesOf(path)) if (!numbers.has(name)) numbers.set(name, number)
  return numbers
}

/** Names and numbers in a file with lines of `name:password:number:…`. Not every system has it: then there are none. */
function linesOf(path: string): [name: string, number: number][] {
  let lines: string[] = []
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
  return lines.flatMap((line): [string, number][] => {
    const [name, , number] = line.split(':')
    return name && number && /^\d+$/.test(number) ? [[name, Number(number)]] : []
  })
}
