import type { PastSnapshot } from 'kloset/connector'
import { type Child, listingOf, type Node, subtreeOf } from './nodes.js'

/** A folder or file that was saved, and where it is in the tree of its snapshot. */
export interface Root {
  /** As it was named. */
  readonly root: string
  /** Undefined where the tree itself is its content. */
  readonly node: Node | undefined
}

/** Gives the tree of an id. */
export type FetchTree = (id: string) => Promise<Uint8Array>

/**
 * Where the folders of a snapshot are in its tree. Restic keeps `/home/ada` as `home`, and `ada` in it; but where it was told `./ada`, as `ada`, and told
 * `.`, only what is in it. Whatever the tree holds is in one of the roots: where it does not go together with the names, all of it is one.
 */
export async function rootsOf({ content, roots }: PastSnapshot, fetch: FetchTree): Promise<readonly Root[]> {
  if (roots.length === 1) return [await onlyRoot(content, roots[0]!, fetch)]
  const found: Found[] = []
  for (const root of roots) {
    for (const segments of suffixesOf(root)) {
      const node = segments.length === 0 ? undefined : await find(content, segments, fetch)
      if (node === undefined) continue
      found.push({ root, node, key: segments.join('/') })
      break
    }
  }
  const keys = new Set(found.map(({ key }) => key))
  if (keys.size === found.length && found.length > 0 && (await covers(content, '', keys, fetch))) return found
  return [{ root: '/', node: undefined }]
}

interface Found extends Root {
  /** Its path in the tree. */
  readonly key: string
}

async function onlyRoot(tree: string, root: string, fetch: FetchTree): Promise<Root> {
  for (const segments of suffixesOf(root)) {
    const node = segments.length === 0 ? undefined : await find(tree, segments, fetch)
    if (node !== undefined && (await covers(tree, '', new Set([segments.join('/')]), fetch))) return { root, node }
  }
  return { root, node: undefined }
}

/** The names that lead to a folder: all of them, then without the first, and so on to none. */
function suffixesOf(root: string): string[][] {
  const windows = /^([A-Za-z]):[\\/]|^(\\\\[^\\]+\\[^\\]+)/.exec(root)
  const segments =
    windows === null ? root.split('/') : [windows[1] ?? windows[2]!, ...root.slice(windows[0].length).split(/[\\/]/)]
  const names = segments.filter((segment) => segment !== '')
  return [...names.keys(), names.length].map((from) => names.slice(from))
}

async function find(tree: string, segments: readonly string[], fetch: FetchTree): Promise<Node | undefined> {
  let id = tree
  for (const [at, segment] of segments.entries()) {
    const child = (await children(id, fetch)).find(({ node }) => node.name === segment)
    if (child === undefined || at === segments.length - 1) return child?.node
    if (child.node.type !== 'directory') return undefined
    id = subtreeOf(child.node)
  }
  return undefined
}

/** Whether everything in a tree is in one of the places that `keys` name. */
async function covers(tree: string, folder: string, keys: ReadonlySet<string>, fetch: FetchTree): Promise<boolean> {
  for (const { node, path } of await children(tree, fetch, folder)) {
    if (keys.has(path)) continue
    const isAbove = [...keys].some((key) => key.startsWith(`${path}/`))
    if (!isAbove || node.type !== 'directory' || !(await covers(subtreeOf(node), path, keys, fetch))) return false
  }
  return true
}

async function children(id: string, fetch: FetchTree, folder = ''): Promise<readonly Child[]> {
  return listingOf(await fetch(id), id, folder).children
}
