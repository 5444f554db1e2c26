import type { Entry, Filter, Inspector } from '../../connector/contract.js'
import { checkPath, comparePaths } from '../../connector/paths.js'
import { check, checkAborts, checkBytes, checkEqual } from '../assert.js'
import type { Check } from '../case.js'
import { bytesOf, calm, entriesOf, entryOf, isWithin, type Subject } from './subject.js'

/** What a scan yields, from wherever it starts. */
export const scanChecks: readonly Check<Subject>[] = [
  {
    name: 'scans entries with legal paths, each once, folders before what they hold',
    async run({ source, expected }) {
      const found: Entry[] = []
      for await (const batch of source.scan({ ...calm, filter: { takes: () => true }, under: '' })) {
        check(batch.length >= 1 && batch.length <= 1000, `a batch has 1 to 1,000 items, not ${batch.length}`)
        found.push(...batch.map(entryOf))
      }
      const at = new Map(found.map(({ path }, index) => [path, index]))
      checkEqual(at.size, found.length, 'how many different paths there are')
      for (const [index, { path, type, size }] of found.entries()) {
        checkPath(path)
        check(types.has(type), `${path} has a type of the contract, not ${type}`)
        check(size === undefined || (Number.isSafeInteger(size) && size >= 0), `the size of ${path} is in bytes`)
        const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')))
        check(path === '' || (at.get(folder) ?? -1) < index, `the folder of ${path} comes before it`)
        const previous = found[index - 1]
        if (source.capabilities.order === 'path' && previous)
          check(comparePaths(previous.path, path) < 0, `${previous.path} and ${path} are in path order`)
      }
      check(
        found.some(({ type, size }) => type === 'file' && (size ?? 1000) >= 1000),
        'the source under test holds a file of at least 1,000 bytes',
      )
      if (expected.folders) check(nestedFolders(found).length > 1, 'the source under test holds a folder in a folder')
    },
  },
  {
    name: 'scans the same again',
    async run({ source }) {
      check(sameEntries(await entriesOf(source), await entriesOf(source)), 'two scans yield the same entries')
    },
  },
  {
    name: 'starts below any folder',
    needs: 'folders',
    async run({ source }) {
      const entries = await entriesOf(source)
      for (const folder of nestedFolders(entries)) {
        const expected = entries.filter(({ path }) => path !== folder && isWithin(path, folder))
        // The folder itself may be among them.
        const found = (await entriesOf(source, folder)).filter(({ path }) => path !== folder)
        check(
          sameEntries(inOrder(found), inOrder(expected)),
          `a scan of ${folder} yields all below it, and nothing else`,
        )
      }
    },
  },
  {
    name: 'asks the filter about each entry, before it goes into a folder',
    needs: 'folders',
    async run({ source }) {
      const entries = await entriesOf(source)
      for (const folder of nestedFolders(entries)) {
        const asked = new Set<string>()
        const filter: Filter = {
          takes(path) {
            asked.add(path)
            return path !== folder
          },
        }
        const found = await entriesOf(source, '', filter)
        const expected = entries.filter(({ path }) => !isWithin(path, folder))
        check(sameEntries(inOrder(found), inOrder(expected)), `a scan without ${folder} yields all but what is in it`)
        for (const { path } of found) check(path === '' || asked.has(path), `the filter was asked about ${path}`)
        for (const path of asked)
          check(path === folder || !isWithin(path, folder), `what is in ${folder} is not asked about: ${path}`)
      }
    },
  },
  {
    name: 'asks the inspector about each entry, and keeps out of what is taken alone',
    needs: 'inspects',
    async run({ source }) {
      check(source.capabilities.inspects === true, 'the source says that it inspects')
      const entries = await entriesOf(source)
      for (const folder of nestedFolders(entries)) {
        for (const answer of [false, 'alone'] as const) {
          const inspector = inspectorThat((entry) => (entry.path === folder ? answer : true))
          const found = await entriesOf(source, '', { takes: () => true, inspector })
          const expected = entries.filter(
            ({ path }) => !isWithin(path, folder) || (answer === 'alone' && path === folder),
          )
          check(sameEntries(found, expected), `${folder}, of which the inspector says ${answer}, is treated so`)
        }
      }
    },
  },
  {
    name: 'shows the inspector what it wants to see of a folder, before it asks about what is in it',
    needs: 'inspects',
    async run({ source }) {
      const files = (await entriesOf(source)).filter(({ type, size = 0 }) => type === 'file' && size > 0)
      const shownTo = new Map<string, Uint8Array | undefined>()
      const asked = new Set<string>()
      const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
      const inspector: Inspector = {
        takes: () => true,
        wants: (_, names) => names.map((name) => ({ name, length: 4 })),
        show(directory, name, beginning) {
          const path = directory === '' ? name : `${directory}/${name}`
          check(!asked.has(path), `${path} is shown before it is asked about`)
          shownTo.set(path, beginning)
        },
      }
      const filter: Filter = { takes: (path) => asked.add(path) !== undefined, inspector }
      for (const { path, type } of await entriesOf(source, '', filter)) {
        if (path === '') continue
        check(shownTo.has(path), `${nameOf(path)} is among the names in its folder`)
        if (type !== 'file') checkEqual(shownTo.get(path), undefined, `what is shown of ${path}, which is a ${type}`)
      }
      for (const file of files.slice(0, 20)) {
        const length = Math.min(4, file.size ?? 4)
        checkBytes(
          shownTo.get(file.path)!,
          (await bytesOf(source, file)).subarray(0, length),
          `the beginning of ${file.path}`,
        )
      }
    },
  },
  {
    name: 'scans nothing that the filter does not take',
    async run({ source }) {
      const found = await entriesOf(source, '', { takes: () => false })
      for (const { path } of found) checkEqual(path, '', 'the only entry that may be left')
    },
  },
  {
    name: 'can be left in the middle of a scan',
    async run({ source }) {
      for await (const _ of source.scan({ ...calm, filter: { takes: () => true }, under: '' })) break
      check((await entriesOf(source)).length > 0, 'a scan after one that was left yields entries')
    },
  },
  {
    name: 'does not scan when already aborted',
    async run({ source }) {
      const reason = new Error('aborted before the scan')
      const how = { signal: AbortSignal.abort(reason), filter: { takes: () => true }, under: '' }
      const scan = async (): Promise<void> => {
        for await (const _ of source.scan(how));
      }
      await checkAborts(scan, reason, 'an aborted scan')
    },
  },
]

/** Whether two scans yielded the same, in the same order. */
export function sameEntries(one: readonly Entry[], other: readonly Entry[]): boolean {
  return one.length === other.length && one.every((entry, at) => shown(entry) === shown(other[at]!))
}

const types = new Set(['file', 'directory', 'symlink', 'fifo', 'socket', 'block', 'character'])

function inspectorThat(takes: Inspector['takes']): Inspector {
  return { takes, wants: () => [], show: () => undefined }
}

function inOrder(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => comparePaths(a.path, b.path))
}

/** Folders that hold something, by entries of their own or by the paths of what they hold: at most ten. */
function nestedFolders(entries: readonly Entry[]): string[] {
  const folders = new Set<string>()
  for (const { path } of entries)
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at))
  return [...folders].slice(0, 10)
}

function shown(entry: Entry): string {
  const known = Object.entries(entry).filter(([, value]) => value !== undefined)
  return JSON.stringify(known.sort(), (_, value) => (typeof value === 'bigint' ? `${value}n` : value))
}
