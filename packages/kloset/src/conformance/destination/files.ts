import type { Entry } from '../../connector/contract.js'
import { check, checkAborts, checkBytes, checkEqual } from '../assert.js'
import type { Check } from '../case.js'
import { calm } from '../source/subject.js'
import { pattern } from '../storage/bench.js'
import { aborted, broken, checkFile, contentOf, entryAt, pathsIn, type Subject } from './subject.js'

/** Writing files. */
export const fileChecks: readonly Check<Subject>[] = [
  {
    name: 'writes files of any size',
    async run({ writer, seen }) {
      const sizes = [0, 1, 4096, 1_048_577]
      for (const size of sizes) await writer.write({ path: `size-${size}`, type: 'file' }, pattern(size, size))
      for (const size of sizes) {
        await checkFile(seen, `size-${size}`, pattern(size, size))
        checkEqual((await entryAt(seen, `size-${size}`))?.size, size, 'the size of a file')
      }
    },
  },
  {
    name: 'takes every name it does not refuse beforehand',
    async run({ destination, writer, seen }) {
      const { accepts, maxBytes = 255, caseSensitive } = destination.capabilities.names
      const odd = [' ', 'a b', '-rf', '~', '.hidden', 'ünï', '日本', '😀', 'new\nline', '"\'', '*', 'n'.repeat(200)]
      const names = [...odd, ...(caseSensitive ? ['Case', 'case'] : ['case'])]
        .filter((name) => new TextEncoder().encode(name).length <= maxBytes)
        .filter((name) => accepts === undefined || accepts.call(destination.capabilities.names, name))
      for (const [at, path] of names.entries()) await writer.write({ path, type: 'file' }, pattern(10, at))
      for (const [at, path] of names.entries()) await checkFile(seen, path, pattern(10, at))
      checkEqual((await pathsIn(seen)).length, names.length, 'how many files there are')
    },
  },
  {
    name: 'replaces a file whole',
    async run({ writer, seen }) {
      for (const size of [1000, 10, 0, 5000]) {
        await writer.write({ path: 'file', type: 'file' }, pattern(size, size))
        await checkFile(seen, 'file', pattern(size, size))
      }
      checkEqual(await pathsIn(seen), ['file'], 'what is there')
    },
  },
  {
    name: 'leaves the old file, and nothing else, when a write breaks off',
    async run({ writer, seen }) {
      await writer.write({ path: 'old', type: 'file' }, pattern(100))
      for (const path of ['old', 'new']) {
        const error = await writer.write({ path, type: 'file' }, pattern(5000, 2), 'breaking').catch((e: Error) => e)
        checkEqual((error as Error | undefined)?.message, broken, 'what a write throws whose content failed')
      }
      await checkFile(seen, 'old', pattern(100))
      checkEqual(await pathsIn(seen), ['old'], 'what is there')
    },
  },
  {
    name: 'keeps the mode of files',
    needs: 'mode',
    async run({ writer, seen }) {
      for (const mode of [0o644, 0o600, 0o755, 0o444, 0o666])
        await writer.write({ path: `mode-${mode}`, type: 'file', mode }, pattern(10))
      for (const mode of [0o644, 0o600, 0o755, 0o444, 0o666])
        checkEqual((await entryAt(seen, `mode-${mode}`))?.mode, mode, 'the mode of a file')
    },
  },
  {
    name: 'keeps extended attributes of files and folders',
    needs: 'xattrs',
    async run({ writer, seen }) {
      const xattrs = { 'user.kloset-empty': new Uint8Array(0), 'user.kloset-note': pattern(100) }
      await writer.write({ path: 'file', type: 'file', mode: 0o444, xattrs }, pattern(10))
      const folder: Entry = { path: 'folder', type: 'directory', mode: 0o555, xattrs }
      await writer.make(folder)
      await writer.finish(folder)
      for (const path of ['file', 'folder']) {
        const found = (await entryAt(seen, path))?.xattrs ?? {}
        for (const [name, value] of Object.entries(xattrs)) {
          checkBytes(found[name] ?? pattern(1), value, `the extended attribute ${name} of a ${path}`)
        }
      }
    },
  },
  {
    name: 'keeps the time of files',
    needs: 'mtime',
    async run({ writer, seen }) {
      // Whole and even: every system keeps those.
      const mtime = 1_600_000_000_000_000_000n
      await writer.write({ path: 'file', type: 'file', mtime }, pattern(10))
      checkEqual(String((await entryAt(seen, 'file'))?.mtime), String(mtime), 'the time of a file')
      await writer.write({ path: 'file', type: 'file', mtime: 0n }, pattern(10))
      checkEqual(String((await entryAt(seen, 'file'))?.mtime), '0', 'the time of a file from 1970')
    },
  },
  {
    name: 'sets the mode and time of a file that is there, where it offers to',
    needs: 'mtime',
    async run({ destination, writer, seen }) {
      if (!destination.finish) return
      const file = { path: 'file', type: 'file', size: 10, mode: 0o600, mtime: 1_600_000_000_000_000_000n } as const
      await writer.write({ path: 'file', type: 'file', mode: 0o644 }, pattern(10))
      await writer.finish(file)
      const found = await entryAt(seen, 'file')
      checkEqual(String(found?.mtime), String(file.mtime), 'the time of a file')
      if (destination.capabilities.keeps.includes('mode')) checkEqual(found?.mode, file.mode, 'the mode of a file')
      await checkFile(seen, 'file', pattern(10))
    },
  },
  {
    name: 'makes hard links, removes and renames, where it offers to',
    async run({ destination, writer, seen }) {
      await writer.write({ path: 'file', type: 'file' }, pattern(10))
      if (destination.link) {
        await destination.link('same', 'file', calm)
        await destination.link('same', 'file', calm)
        await checkFile(seen, 'same', pattern(10))
      }
      if (destination.rename) {
        await destination.rename('file', 'renamed', calm)
        await checkFile(seen, 'renamed', pattern(10))
        check((await entryAt(seen, 'file')) === undefined, 'a renamed file has its old name no more')
      }
      if (destination.remove) {
        await destination.remove(['file', 'renamed', 'same', 'absent', 'absent/deeper'], calm)
        checkEqual(await pathsIn(seen), [], 'what is there after all was removed')
      }
    },
  },
  {
    name: 'does nothing when already aborted',
    async run({ destination, writer, seen }) {
      await writer.write({ path: 'kept', type: 'file' }, pattern(10))
      const { call, reason } = aborted()
      const write = () => destination.write({ path: 'kept', type: 'file' }, contentOf(pattern(20)), call)
      await checkAborts(write, reason, 'an aborted write')
      await checkAborts(() => destination.create({ path: 'new', type: 'directory' }, call), reason, 'an aborted create')
      if (destination.remove)
        await checkAborts(async () => destination.remove?.(['kept'], call), reason, 'an aborted remove')
      checkEqual(await pathsIn(seen), ['kept'], 'what is there')
      await checkFile(seen, 'kept', pattern(10))
    },
  },
]
