import { check, checkAborts, checkBytes, checkEqual, checkThrows } from '../assert.js'
import type { Check } from '../case.js'
import { bytesOf, type Subject, someFiles } from './subject.js'

/** What a read yields. */
export const readChecks: readonly Check<Subject>[] = [
  {
    name: 'reads the same bytes each time, as many as the entry says',
    needs: 'random',
    async run({ source }) {
      for (const file of await someFiles(source)) {
        const bytes = await bytesOf(source, file)
        if (file.size !== undefined) checkEqual(bytes.length, file.size, `the length of ${file.path}`)
        checkBytes(await bytesOf(source, file), bytes, `${file.path}, read again`)
      }
    },
  },
  {
    name: 'reads any range',
    needs: 'ranges',
    async run({ source }) {
      check(source.capabilities.ranges, 'the source reads ranges')
      const [file] = await someFiles(source)
      if (!file) return
      const bytes = await bytesOf(source, file)
      const size = bytes.length
      for (const [offset, length] of [
        [0, 0],
        [0, 1],
        [0, size],
        [1, 998],
        [size - 1, 1],
        [size, 0],
        [size >> 1, size - (size >> 1)],
      ] as const) {
        const part = await bytesOf(source, file, { offset, length })
        checkBytes(part, bytes.subarray(offset, offset + length), `${length} bytes at ${offset} of ${file.path}`)
      }
    },
  },
  {
    name: 'can be left in the middle of a read',
    needs: 'random',
    async run({ source }) {
      const [file] = await someFiles(source)
      if (!file) return
      for await (const _ of source.read(file, { signal: new AbortController().signal, range: undefined })) break
      check((await bytesOf(source, file)).length > 0, 'a read after one that was left yields bytes')
    },
  },
  {
    name: 'says that a file is gone',
    needs: 'random',
    async run({ source }) {
      const read = () => bytesOf(source, { path: 'no-such/file-here', type: 'file' })
      await checkThrows(read, 'KLOSET_NOT_FOUND', 'reading an absent file')
    },
  },
  {
    name: 'does not read when already aborted',
    needs: 'random',
    async run({ source }) {
      const [file] = await someFiles(source)
      const reason = new Error('aborted before the read')
      const how = { signal: AbortSignal.abort(reason), range: undefined }
      const read = async (): Promise<void> => {
        if (file) for await (const _ of source.read(file, how));
      }
      await checkAborts(read, reason, 'an aborted read')
    },
  },
]
