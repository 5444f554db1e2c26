import { MalformedError } from '../bytes/index.js'
import { nextTurn } from '../runtime/system.js'
import { decodeContent } from './content.js'
import { orCorrupt } from './corrupt.js'
import { decodeListNode, type ListReference } from './list-node.js'
import { decodeNode, statAt, type TreeNode } from './node.js'
import { childId, type FetchNode } from './reference.js'
import { Scanner } from './scanner.js'
import { decodeStat, xattrsFlag } from './stat.js'

/** What {@link reach} tells, each time with an id as the 32 bytes at `at` of `bytes`, which are not to be kept. */
export interface Reached {
  /** A node of a tree or list. Answers whether to go into it: a node that was gone into before need not be read again. */
  node(bytes: Uint8Array, at: number): boolean
  /** A chunk, as often as something refers to it. */
  chunk(bytes: Uint8Array, at: number): void
}

/**
 * Walks along everything that trees refer to, several nodes at once. Nodes are checked as far as their own bytes say; that they are
 * in their place is not looked at. The last node met is gone into first, so that what waits stays little.
 * @throws KlosetError KLOSET_TREE_CORRUPT, and what `fetch` throws: then nothing is known of what was not reached
 */
export async function reach(
  roots: Iterable<Uint8Array>,
  fetch: FetchNode,
  reached: Reached,
  { width, signal }: { readonly width: number; readonly signal: AbortSignal },
): Promise<void> {
  const stack: Pending[] = []
  for (const id of roots) if (reached.node(id, 0)) stack.push({ id })
  // The first root on top.
  stack.reverse()
  let visits = 0
  await inLanes(stack, width, async (pending) => {
    signal.throwIfAborted()
    // Nodes at hand cost no waiting: what else goes on in this thread must not stand still for them.
    if (++visits % turnEvery === 0) await nextTurn()
    const bytes = await fetch(pending.id)
    const below = 'list' in pending ? visitList(bytes, pending.list, reached) : visitNode(bytes, pending.id, reached)
    for (let i = below.length - 1; i >= 0; i--) stack.push(below[i]!)
  })
}

/** A node that was met and not gone into yet. */
type Pending = { readonly id: Uint8Array } | { readonly id: Uint8Array; readonly list: ListReference }

const turnEvery = 64

/** Works off a stack, to which the work may add, so many items at once. After a failure no more are begun. */
async function inLanes<T>(stack: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  let failure: { readonly error: unknown } | undefined
  let active = 0
  await new Promise<void>((resolve) => {
    const begin = (): void => {
      while (failure === undefined && active < width && stack.length > 0) {
        active++
        void work(stack.pop()!)
          .catch((error: unknown) => {
            failure ??= { error }
          })
          .then(() => {
            active--
            begin()
          })
      }
      if (active === 0) resolve()
    }
    begin()
  })
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error
}

function visitNode(bytes: Uint8Array, id: Uint8Array, reached: Reached): Pending[] {
  const node = decodeNode(bytes, id)
  const below: Pending[] = []
  if (node.level === 0) {
    orCorrupt('a leaf of the tree is damaged', id, () => visitLeaf(node, reached, below))
    return below
  }
  for (let i = 0; i < node.count; i++) {
    const child = childId(node, i)
    // Copies: views would keep the whole node.
    if (reached.node(child, 0)) below.push({ id: child.slice() })
  }
  return below
}

/** Steps over the entries of a leaf without decoding them: of most only the ids are wanted. */
function visitLeaf(node: TreeNode, reached: Reached, below: Pending[]): void {
  const scanner = new Scanner(node.bytes)
  for (let i = 0; i < node.count; i++) {
    scanner.at = node.valueStarts[i]!
    scanner.end = node.contentStarts[i]!
    scanner.u8()
    if ((scanner.varint() & xattrsFlag) !== 0) {
      for (const extents of Object.values(decodeStat(statAt(node, i)).storedXattrs ?? {})) {
        for (const { id } of extents) if (id !== undefined) reached.chunk(id, 0)
      }
    }
    scanner.at = node.contentStarts[i]!
    scanner.end = node.valueEnds[i]!
    const form = scanner.u8()
    if (form === formExtents) {
      for (let left = scanner.varint(); left > 0; left--) {
        if (scanner.varint() % 2 === 0) reached.chunk(node.bytes, scanner.skip(32))
      }
    } else if (form === formList) {
      const content = decodeContent(node.bytes.subarray(node.contentStarts[i], node.valueEnds[i]))
      if (content.form === 'list' && reached.node(content.id, 0)) below.push({ id: content.id, list: content })
    } else if (form !== formNone) throw new MalformedError('an unknown form of content')
  }
}

const formNone = 0
const formExtents = 1
const formList = 2

function visitList(bytes: Uint8Array, reference: ListReference, reached: Reached): Pending[] {
  const node = decodeListNode(bytes, reference)
  if ('extents' in node) {
    for (const { id } of node.extents) if (id !== undefined) reached.chunk(id, 0)
    return []
  }
  return node.children
    .filter(({ id }) => reached.node(id, 0))
    .map(({ id, length, count }) => {
      const own = id.slice()
      return { id: own, list: { id: own, level: node.level - 1, length, count } }
    })
}
