import type { Finding } from '../api.js'
import { equalBytes, toHex } from '../bytes/index.js'
import { type Call, compareKeys, pathFromBytes } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import { nextTurn } from '../runtime/system.js'
import { below, type Place, type StoredSnapshot, treeOf } from '../snapshot/index.js'
import type { BlobReader } from '../store/blobs.js'
import {
  childReference,
  contentAt,
  decodeEntry,
  type Extent,
  extents,
  keyAt,
  loadNode,
  type NodeReference,
  rootReference,
  type StoredContent,
  statAt,
  type TreeNode,
} from '../tree/index.js'
import { sameTotals } from '../tree/totals.js'
import { finding } from './findings.js'
import type { Lost } from './lost.js'
import type { CheckReport } from './report.js'

/**
 * Nodes that were found whole with all below them, by id: snapshots share most of theirs. What is kept of each tells whether it also
 * is what another parent says.
 */
type WholeNodes = Map<
  string,
  Pick<NonNullable<NodeReference['parent']>, 'level' | 'last' | 'totals'> & { first: Uint8Array }
>

/** After how many nodes the event loop has a turn. */
const turnEvery = 8

/** At most so many paths are listed with a finding. */
const mostAffected = 1000

/** Verifies the trees of snapshots: every node, and that every chunk they refer to can be read. */
export class TreeCheck {
  readonly #blobs: BlobReader
  readonly #lost: Lost
  readonly #report: CheckReport
  readonly #call: Call
  readonly #whole: WholeNodes = new Map()

  constructor(blobs: BlobReader, lost: Lost, report: CheckReport, call: Call) {
    this.#blobs = blobs
    this.#lost = lost
    this.#report = report
    this.#call = call
  }

  /** The findings of one snapshot. */
  async *check(snapshot: StoredSnapshot): AsyncGenerator<Finding> {
    const { errors } = snapshot.totals
    if (errors > 0) {
      const entries = errors === 1 ? 'An entry' : `${errors} entries`
      const text = `${entries} of snapshot ${snapshot.id.slice(0, 8)} could not be read when it was made`
      yield finding('entry-error', snapshot.id, text)
    }
    const lost = new Map<
      string,
      { code: 'chunk-missing' | 'chunk-length'; snapshot: string; paths: string[]; count: number }
    >()
    for (const place of snapshot.places) {
      const walk = new PlaceCheck(snapshot, place, this.#blobs, this.#lost, this.#whole, this.#report, this.#call)
      yield* walk.node(rootReference(treeOf(place)))
      for (const [code, path] of walk.missing) {
        const entry = lost.get(code) ?? { code, snapshot: snapshot.id, paths: [], count: 0 }
        lost.set(code, entry)
        entry.count++
        if (entry.paths.length < mostAffected) entry.paths.push(path)
      }
    }
    for (const { code, paths, count } of lost.values()) {
      const what = code === 'chunk-missing' ? 'cannot be read' : 'cannot be read at full length'
      const files = count === 1 ? 'A file' : `${count} files`
      const message = `${files} of snapshot ${snapshot.id.slice(0, 8)} ${what}${count === 1 ? ':' : ', such as'} ${paths[0]}`
      const affects = paths.map((path) => ({ snapshot: snapshot.id, path }))
      yield finding(code, snapshot.id, message, affects)
    }
  }
}

class PlaceCheck {
  readonly missing: ['chunk-missing' | 'chunk-length', string][] = []
  readonly #snapshot: StoredSnapshot
  readonly #place: Place
  readonly #blobs: BlobReader
  readonly #lost: Lost
  readonly #whole: WholeNodes
  readonly #report: CheckReport
  readonly #call: Call
  readonly #fetch: (id: Uint8Array) => Promise<Uint8Array>
  #wrong = 0
  #nodes = 0

  constructor(
    snapshot: StoredSnapshot,
    place: Place,
    blobs: BlobReader,
    lost: Lost,
    whole: WholeNodes,
    report: CheckReport,
    call: Call,
  ) {
    this.#snapshot = snapshot
    this.#place = place
    this.#blobs = blobs
    this.#lost = lost
    this.#whole = whole
    this.#report = report
    this.#call = call
    this.#fetch = (id) => this.#blobs.node(id, this.#call)
  }

  /** Verifies a node and everything below it. */
  async *node(reference: NodeReference): AsyncGenerator<Finding> {
    const id = toHex(reference.id)
    if (fits(this.#whole.get(id), reference)) return
    const before = this.#wrong + this.missing.length
    // Nodes at hand cost no waiting: what else goes on in this thread must not stand still for them.
    if (++this.#nodes % turnEvery === 0) await nextTurn()
    let node: TreeNode
    if (this.#lost.isPurged(reference.id)) {
      this.#wrong++
      yield this.#lostNode(reference, true, 'the pack with it was purged')
      return
    }
    try {
      node = await loadNode(this.#fetch, reference)
    } catch (error) {
      this.#call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      this.#wrong++
      yield this.#lostNode(reference, error.code === 'KLOSET_CHUNK_MISSING', error.message)
      return
    }
    if (node.level === 0) yield* this.#leaf(node)
    else for (let i = 0; i < node.count; i++) yield* this.node(childReference(node, i, reference))
    if (this.#wrong + this.missing.length === before) this.#whole.set(id, summaryOf(node))
    this.#report.tell()
  }

  async *#leaf(node: TreeNode): AsyncGenerator<Finding> {
    for (let i = 0; i < node.count; i++) {
      const key = keyAt(node, i)
      this.#report.entries++
      try {
        const { content, storedXattrs = {} } = decodeEntry(key, statAt(node, i), contentAt(node, i))
        const wrong = (await this.#content(content)) ?? this.#chunks(Object.values(storedXattrs).flat())
        if (wrong !== undefined) this.missing.push([wrong, this.#path(key)])
      } catch (error) {
        this.#call.signal.throwIfAborted()
        // What this machine keeps of the index says nothing about the store.
        if (!isKlosetError(error) || error.code === 'KLOSET_INDEX_CORRUPT') throw error
        this.#wrong++
        yield this.#finding('tree-corrupt', `${this.#path(key)}: ${error.message}`, [this.#path(key)])
      }
    }
  }

  async #content(content: StoredContent): Promise<'chunk-missing' | 'chunk-length' | undefined> {
    if (content.form === 'none') return undefined
    if (content.form === 'extents') return this.#chunks(content.extents)
    for await (const { id, length } of extents(content, this.#fetch)) {
      const wrong = this.#chunk(id, length)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  #chunks(extents: readonly Extent[]): 'chunk-missing' | 'chunk-length' | undefined {
    for (const { id, length } of extents) {
      const wrong = this.#chunk(id, length)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  #chunk(id: Uint8Array | undefined, length: number): 'chunk-missing' | 'chunk-length' | undefined {
    if (id === undefined) return undefined
    const stored = this.#lost.lengthOf(id)
    if (stored === undefined) return 'chunk-missing'
    return stored === length ? undefined : 'chunk-length'
  }

  #lostNode({ after, parent }: NodeReference, missing: boolean, reason: string): Finding {
    const range =
      parent === undefined
        ? 'everything in it'
        : `what comes after ${after === undefined ? 'its root' : this.#path(after)} up to ${this.#path(parent.last)}`
    const text = `a node of the tree of snapshot ${this.#snapshot.id.slice(0, 8)} cannot be read, and with it ${range}: ${reason}`
    return this.#finding(
      missing ? 'tree-missing' : 'tree-corrupt',
      text,
      parent === undefined ? [''] : [this.#path(parent.last)],
    )
  }

  #finding(code: 'tree-missing' | 'tree-corrupt', message: string, paths: readonly string[]): Finding {
    const snapshot = this.#snapshot.id
    return finding(
      code,
      snapshot,
      message,
      paths.map((path) => ({ snapshot, path })),
    )
  }

  #path(key: Uint8Array): string {
    return below(this.#place.at, pathFromBytes(key))
  }
}

function summaryOf(node: TreeNode): NonNullable<ReturnType<WholeNodes['get']>> {
  const { level, count, totals } = node
  // Copies: views would keep the whole node.
  return { level, totals, first: keyAt(node, 0).slice(), last: keyAt(node, count - 1).slice() }
}

/** Whether a node is in its place here too. Where it is not, reading it again tells why. */
function fits(node: ReturnType<WholeNodes['get']>, { after, parent }: NodeReference): boolean {
  if (node === undefined) return false
  const { first, last, level, totals } = node
  const follows =
    after === undefined
      ? level > 0 || first.length === 0
      : compareKeys(first, 0, first.length, after, 0, after.length) > 0
  if (parent === undefined || !follows) return follows
  return level === parent.level - 1 && equalBytes(last, parent.last) && sameTotals(totals, parent.totals)
}
