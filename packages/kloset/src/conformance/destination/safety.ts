import { checkEqual, checkThrows } from '../assert.js'
import type { Check } from '../case.js'
import { calm } from '../source/subject.js'
import { pattern } from '../storage/bench.js'
import { checkFile, pathsIn, type Subject } from './subject.js'

/** What a hostile snapshot may try. */
export const safetyChecks: readonly Check<Subject>[] = [
  {
    name: 'refuses paths that lead out of its root, and those that nothing can have',
    async run({ destination, writer, seen }) {
      for (const path of ['..', '../x', 'a/../../x', 'a/..', '/x', '/', 'a//x', './x', 'x/.', 'a/', 'x\0y', '']) {
        const refused = (work: () => Promise<unknown>) =>
          checkThrows(work, 'KLOSET_PATH_UNSAFE', `writing to ${JSON.stringify(path)}`)
        await refused(() => writer.write({ path, type: 'file' }, pattern(1)))
        if (path === '') continue
        await refused(() => writer.make({ path, type: 'directory' }))
        if (destination.remove) await refused(async () => destination.remove?.([path], calm))
        if (destination.rename) await refused(async () => destination.rename?.('x', path, calm))
      }
      checkEqual(
        (await pathsIn(seen)).filter((path) => path !== 'a' && path !== 'x'),
        [],
        'what is there',
      )
    },
  },
  {
    name: 'never writes through a link, also one that it made itself',
    needs: 'symlinks',
    async run({ destination, writer, seen }) {
      await writer.make({ path: 'real', type: 'directory' })
      await writer.write({ path: 'real/file', type: 'file' }, pattern(10))
      await writer.make({ path: 'link', type: 'symlink', target: 'real' })
      const refused = (work: () => Promise<unknown>) =>
        checkThrows(work, 'KLOSET_PATH_UNSAFE', 'reaching through a link')
      await refused(() => writer.write({ path: 'link/file', type: 'file' }, pattern(20)))
      await refused(() => writer.write({ path: 'link/new', type: 'file' }, pattern(20)))
      await refused(() => writer.make({ path: 'link/folder', type: 'directory' }))
      await refused(() => writer.make({ path: 'link/deeper/folder', type: 'directory' }))
      if (destination.remove) await refused(async () => destination.remove?.(['link/file'], calm))
      if (destination.link) await refused(async () => destination.link?.('same', 'link/file', calm))
      await checkFile(seen, 'real/file', pattern(10))
      checkEqual((await pathsIn(seen)).sort(), ['link', 'real', 'real/file'], 'what is there')
    },
  },
  {
    name: 'does not replace a folder by a file or a link',
    needs: 'directories',
    async run({ destination, writer, seen }) {
      await writer.make({ path: 'folder', type: 'directory' })
      await writer.write({ path: 'folder/file', type: 'file' }, pattern(10))
      const write = () => writer.write({ path: 'folder', type: 'file' }, pattern(1))
      await checkThrows(write, 'KLOSET_EXISTS', 'writing a file where a folder is')
      if (destination.capabilities.keeps.includes('symlinks')) {
        const link = () => writer.make({ path: 'folder', type: 'symlink', target: 'x' })
        await checkThrows(link, 'KLOSET_EXISTS', 'making a link where a folder is')
      }
      await checkFile(seen, 'folder/file', pattern(10))
      checkEqual((await pathsIn(seen)).sort(), ['folder', 'folder/file'], 'what is there')
    },
  },
]
