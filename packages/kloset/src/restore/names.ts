import { type Destination, pathToBytes } from '../connector/index.js'
import { KlosetError } from '../errors.js'

/** The names that are taken in one directory of a destination. */
export class Names {
  readonly #rules: Destination['capabilities']['names']
  readonly #taken = new Map<string, string>()

  constructor(rules: Destination['capabilities']['names']) {
    this.#rules = rules
  }

  /**
   * Takes a name.
   * @throws KLOSET_UNSUPPORTED for one that the destination does not have; KLOSET_EXISTS for one that to the destination is the same as
   * one before it, which would be overwritten
   */
  take(name: string, path: string): void {
    const { maxBytes, accepts, caseSensitive } = this.#rules
    if (accepts?.(name) === false) throw refused(path, 'does not allow the name')
    if (maxBytes !== undefined && name.length * 3 > maxBytes && pathToBytes(name).length > maxBytes) {
      throw refused(path, `has only names of up to ${maxBytes} bytes`)
    }
    if (caseSensitive) return
    const folded = name.normalize('NFC').toLowerCase()
    const other = this.#taken.get(folded)
    if (other !== undefined && other !== name) {
      throw new KlosetError('KLOSET_EXISTS', `to the destination, ${path} has the same name as ${other} beside it`, {
        context: { path },
        hint: 'Restore it by its path into another folder.',
      })
    }
    this.#taken.set(folded, name)
  }
}

function refused(path: string, why: string): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', `the destination ${why}: ${path}`, { context: { path } })
}
