import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import fc from 'fast-check'
import type { Overwrite, RestoreOptions, RestoreResult, Store } from 'kloset'
import { beforeAll, expect, it } from 'vitest'
import { create, places, threads } from './tools.js'

const place = places()
const engine = threads()

/** What is at a path, as far as it matters here. */
type Node =
  | { readonly type: 'directory'; readonly mode: number; readonly time: number }
  | { readonly type: 'file'; readonly mode: number; readonly time: number; readonly text: string }
  | { readonly type: 'symlink'; readonly target: string }

type Tree = ReadonlyMap<string, Node>

const names = ['a', 'b', 'c']
const paths = names.flatMap((one) => [
  one,
  ...names.flatMap((two) => [`${one}/${two}`, `${one}/${two}/a`, `${one}/${two}/b`]),
])

const mode = fc.constantFrom(0o700, 0o755)
const time = fc.constantFrom(1_000_000_000, 1_100_000_000, 1_200_000_000)
const node: fc.Arbitrary<Node | undefined> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('directory' as const), mode, time }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('file' as const), mode, time, text: fc.constantFrom('', 'x', 'y', 'zz') }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('symlink' as const), target: fc.constantFrom('a', '../..') }) },
  { weight: 1, arbitrary: fc.constant(undefined) },
)

/** Two trees that have much in common. */
const trees = fc
  .tuple(
    ...paths.map(() =>
      fc.tuple(node, fc.oneof({ weight: 2, arbitrary: fc.constant('same' as const) }, { weight: 1, arbitrary: node })),
    ),
  )
  .map((nodes) => ({
    wanted: treeOf(nodes.map(([one]) => one)),
    there: treeOf(nodes.map(([one, other]) => (other === 'same' ? one : other))),
  }))

const choice = fc.record({
  overwrite: fc.constantFrom<Overwrite>('always', 'if-changed', 'if-different', 'if-newer', 'never'),
  delete: fc.boolean(),
  patterns: fc.constantFrom<readonly string[]>([], ['a'], ['!b'], ['/a/b/']),
})

function treeOf(nodes: readonly (Node | undefined)[]): Tree {
  const tree = new Map<string, Node>()
  for (const [i, path] of paths.entries()) {
    const above = path.includes('/') ? tree.get(path.slice(0, path.lastIndexOf('/'))) : undefined
    const each = nodes[i]
    if (each !== undefined && (above?.type === 'directory' || !path.includes('/'))) tree.set(path, each)
  }
  return tree
}

let store: Store
beforeAll(async () => {
  store = await create(place(), engine)
  return () => store.close()
})

it('does what a plain model says, and a dry run says just what it does', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(trees, choice, async ({ wanted, there }, options) => {
      const [source, target] = [place(), place()]
      make(source, wanted)
      make(target, there)
      const { snapshot } = await store.backup(source, { parent: null })
      const dry = await run(snapshot!.id, target, { ...options, dryRun: true })
      expect(read(target)).toEqual(withoutFolderTimes(there))
      const real = await run(snapshot!.id, target, { ...options, verify: true })
      const model = restored(wanted, there, options)
      expect(comparable(real)).toEqual(comparable(dry))
      expect(read(target)).toEqual(withoutFolderTimes(model.tree))
      for (const [path, time] of model.folderTimes)
        expect([path, lstatSync(`${target}/${path}`).mtimeMs / 1000]).toEqual([path, time])
      // With `if-changed`, times can lie; reading back finds out.
      const lies = options.overwrite === 'if-changed' ? differing(wanted, model.tree, model.same) : []
      expect(real.events.filter((each) => each.startsWith('failed ')).sort()).toEqual(
        [...model.failed, ...lies].map((path) => `failed ${path}`).sort(),
      )
      expect(real.result.deleted).toBe(model.deleted)
    }),
    { numRuns: 40 },
  )
})

interface Ran {
  readonly result: RestoreResult
  readonly events: readonly string[]
}

async function run(snapshot: string, target: string, options: RestoreOptions): Promise<Ran> {
  const events: string[] = []
  const result = await store.restore(snapshot, target, {
    ...options,
    entries: true,
    onEvent: (event) => void ('path' in event && events.push(`${event.type} ${event.path}`)),
  })
  return { result, events }
}

/** Without what only a real run can find out by reading back. */
function comparable({ result, events }: Ran): unknown {
  const { totals, skipped, mended, deleted, failed } = result
  const differs = failed
    .filter(({ error }) => (error as { code: string }).code === 'KLOSET_RESTORE_DIFFERS')
    .map(({ path }) => `failed ${path}`)
  return {
    totals: { ...totals, errors: totals.errors - differs.length },
    skipped,
    mended,
    deleted,
    events: events.filter((each) => !differs.includes(each)).sort(),
  }
}

interface Model {
  readonly tree: Tree
  readonly failed: readonly string[]
  readonly deleted: number
  /** The times of the folders that were given theirs. */
  readonly folderTimes: ReadonlyMap<string, number>
  /** What was taken for right by its time and size. */
  readonly same: ReadonlySet<string>
}

/** What a restore does, as simply as it can be said. */
function restored(
  wanted: Tree,
  there: Tree,
  options: { overwrite: Overwrite; delete: boolean; patterns: readonly string[] },
): Model {
  const tree = new Map(there)
  const failed: string[] = []
  const same = new Set<string>()
  const folderTimes = new Map<string, number>()
  const later: string[] = []
  const taken = [...wanted.keys()].filter((path) => takes(options.patterns, wanted, path))
  const selected = [...wanted.keys()].filter(
    (path) => taken.includes(path) || taken.some((each) => each.startsWith(`${path}/`)),
  )
  const kept: string[] = []
  for (const path of selected) {
    const [ours, theirs] = [wanted.get(path)!, there.get(path)]
    if (kept.some((each) => path.startsWith(`${each}/`) && wanted.get(each)!.type === 'directory')) failed.push(path)
    else if (theirs === undefined) put(path, ours)
    else if (ours.type === 'directory' && theirs.type === 'directory') {
      if (!leaves(options.overwrite, theirs, ours)) put(path, ours)
    } else if (leaves(options.overwrite, theirs, ours)) kept.push(path)
    else if (isRight(options.overwrite, theirs, ours)) {
      same.add(path)
      if (theirs.type === 'file' && ours.type === 'file') put(path, { ...ours, text: theirs.text })
    } else if (theirs.type === 'directory') later.push(path)
    else put(path, ours)
  }
  let deleted = 0
  if (options.delete && failed.length === 0) {
    const extra = (path: string): boolean =>
      takes(options.patterns, there, path) &&
      !kept.some((each) => path.startsWith(`${each}/`)) &&
      (!selected.includes(path) || later.includes(path))
    const gone = [...there.keys()].filter((path) => extra(path) || later.includes(path))
    // A folder goes only with all that is in it.
    const goes = (path: string): boolean =>
      gone.includes(path) && [...there.keys()].every((each) => !each.startsWith(`${path}/`) || gone.includes(each))
    const going = gone.filter(goes)
    if (later.every((path) => going.includes(path))) {
      for (const path of going) tree.delete(path)
      for (const path of later.splice(0)) put(path, wanted.get(path)!)
      deleted = going.length
    }
  }
  return { tree, failed: [...failed, ...later], deleted, folderTimes, same }

  function put(path: string, ours: Node): void {
    tree.set(path, ours)
    if (ours.type === 'directory') folderTimes.set(path, ours.time)
  }
}

function takes(patterns: readonly string[], tree: Tree, path: string): boolean {
  const segments = path.split('/')
  if (patterns[0] === 'a') return !segments.includes('a')
  if (patterns[0] === '!b') return segments.includes('b')
  if (patterns[0] === '/a/b/')
    return !path.startsWith('a/b/') && !(path === 'a/b' && tree.get(path)?.type === 'directory')
  return true
}

function leaves(overwrite: Overwrite, theirs: Node, ours: Node): boolean {
  if (overwrite === 'never') return true
  return overwrite === 'if-newer' && timeOf(ours) <= timeOf(theirs)
}

function isRight(overwrite: Overwrite, theirs: Node, ours: Node): boolean {
  if (overwrite === 'always' || theirs.type !== ours.type) return false
  if (theirs.type === 'symlink') return theirs.target === (ours as typeof theirs).target
  if (theirs.type !== 'file' || ours.type !== 'file') return false
  if (overwrite === 'if-different') return theirs.text === ours.text
  return theirs.text.length === ours.text.length && theirs.time === ours.time
}

/** Which of the files that were taken for right are not. */
function differing(wanted: Tree, tree: Tree, same: ReadonlySet<string>): string[] {
  return [...same].filter((path) => {
    const [ours, theirs] = [wanted.get(path)!, tree.get(path)!]
    return ours.type === 'file' && theirs.type === 'file' && ours.text !== theirs.text
  })
}

const linkTime = 1_050_000_000

function timeOf(each: Node): number {
  return each.type === 'symlink' ? linkTime : each.time
}

function make(root: string, tree: Tree): void {
  for (const [path, each] of tree) {
    const at = `${root}/${path}`
    if (each.type === 'directory') mkdirSync(at)
    else if (each.type === 'symlink') symlinkSync(each.target, at)
    else writeFileSync(at, each.text)
    if (each.type !== 'symlink') chmodSync(at, each.mode)
  }
  for (const [path, each] of [...tree].reverse()) {
    if (each.type === 'symlink') lutimesSync(`${root}/${path}`, linkTime, linkTime)
    else utimesSync(`${root}/${path}`, each.time, each.time)
  }
}

/** Everything below a folder but the times of folders. */
function read(root: string, below = ''): Map<string, Node> {
  const tree = new Map<string, Node>()
  for (const name of readdirSync(`${root}/${below}`).sort()) {
    const path = below === '' ? name : `${below}/${name}`
    const at = `${root}/${path}`
    const info = lstatSync(at)
    const about = { mode: info.mode & 0o7777, time: info.mtimeMs / 1000 }
    if (info.isDirectory()) {
      tree.set(path, { type: 'directory', ...about, time: 0 })
      for (const [inside, each] of read(root, path)) tree.set(inside, each)
    } else if (info.isSymbolicLink()) tree.set(path, { type: 'symlink', target: readlinkSync(at) })
    else tree.set(path, { type: 'file', ...about, text: readFileSync(at, 'utf8') })
  }
  return tree
}

function withoutFolderTimes(tree: Tree): Tree {
  return new Map([...tree].map(([path, each]) => [path, each.type === 'directory' ? { ...each, time: 0 } : each]))
}
