import { checkEqual, checkThrows } from '../assert.js'
import type { Check } from '../case.js'
import { calm, entriesOf } from '../source/subject.js'
import { pattern } from '../storage/bench.js'
import { checkFile, entryAt, pathsIn, type Subject } from './subject.js'

/** Folders, and what else has no content. */
export const folderChecks: readonly Check<Subject>[] = [
  {
    name: 'makes folders, and leaves those that are there',
    needs: 'directories',
    async run({ writer, seen }) {
      for (const path of ['a', 'a/b', 'a/empty']) await writer.make({ path, type: 'directory' })
      await writer.write({ path: 'a/b/file', type: 'file' }, pattern(10))
      for (const path of ['', 'a', 'a/b']) await writer.make({ path, type: 'directory' })
      await checkFile(seen, 'a/b/file', pattern(10))
      checkEqual((await pathsIn(seen)).sort(), ['a', 'a/b', 'a/b/file', 'a/empty'], 'what is there')
    },
  },
  {
    name: 'writes a file into folders that no entry told about',
    async run({ writer, seen }) {
      await writer.write({ path: 'a/b/c/file', type: 'file' }, pattern(10))
      await checkFile(seen, 'a/b/c/file', pattern(10))
    },
  },
  {
    name: 'keeps the mode and time of folders that are finished after they were filled',
    needs: 'mtime',
    async run({ destination, writer, seen }) {
      const mtime = 1_500_000_000_000_000_000n
      const folder = { path: 'folder', type: 'directory', mode: 0o750, mtime } as const
      await writer.make(folder)
      await writer.write({ path: 'folder/file', type: 'file' }, pattern(10))
      await writer.finish(folder)
      const found = await entryAt(seen, 'folder')
      checkEqual(String(found?.mtime), String(mtime), 'the time of a folder')
      if (destination.capabilities.keeps.includes('mode')) checkEqual(found?.mode, 0o750, 'the mode of a folder')
    },
  },
  {
    name: 'removes folders that are empty, and no others, where it offers to remove',
    needs: 'directories',
    async run({ destination, writer, seen }) {
      if (!destination.remove) return
      for (const path of ['full', 'full/empty']) await writer.make({ path, type: 'directory' })
      await writer.write({ path: 'full/file', type: 'file' }, pattern(10))
      const remove = (...paths: string[]) => destination.remove?.(paths, calm) ?? Promise.resolve()
      await checkThrows(() => remove('full'), 'KLOSET_EXISTS', 'removing a folder that is not empty')
      await checkFile(seen, 'full/file', pattern(10))
      await remove('full/file', 'full/empty', 'full')
      checkEqual(await pathsIn(seen), [], 'what is there after all was removed')
    },
  },
  {
    name: 'removes a link, and not what it leads to, where it offers to remove',
    needs: 'symlinks',
    async run({ destination, writer, seen }) {
      if (!destination.remove) return
      await writer.make({ path: 'folder', type: 'directory' })
      await writer.make({ path: 'link', type: 'symlink', target: 'folder' })
      await destination.remove(['link'], calm)
      checkEqual(await pathsIn(seen), ['folder'], 'what is there')
    },
  },
  {
    name: 'shows what is there as it is, in path order, where it shows it',
    async run({ destination, writer }) {
      const { current } = destination
      if (!current) return
      const sizes = { 'a-b': 3, 'a/x': 5, 'a/y/z': 7, b: 0 }
      for (const [path, size] of Object.entries(sizes)) await writer.write({ path, type: 'file' }, pattern(size))
      const files = (await entriesOf(current)).filter(({ type }) => type === 'file')
      const order = current.capabilities.order === 'path' ? ['a/x', 'a/y/z', 'a-b', 'b'] : Object.keys(sizes)
      const paths = files.map(({ path }) => path)
      checkEqual(current.capabilities.order === 'path' ? paths : paths.sort(), order, 'the order of what is there')
      for (const { path, size } of files) checkEqual(size, sizes[path as keyof typeof sizes], `the size of ${path}`)
    },
  },
  {
    name: 'makes symbolic links, and replaces them',
    needs: 'symlinks',
    async run({ writer, seen }) {
      for (const target of ['no/where', '../../up', '/absolute', 'ünï', 'file']) {
        await writer.make({ path: 'link', type: 'symlink', target })
        checkEqual((await entryAt(seen, 'link'))?.target, target, 'where a link leads')
      }
      await writer.write({ path: 'link', type: 'file' }, pattern(10))
      await checkFile(seen, 'link', pattern(10))
      checkEqual(await pathsIn(seen), ['link'], 'what is there: what a link led to was not made')
    },
  },
]
