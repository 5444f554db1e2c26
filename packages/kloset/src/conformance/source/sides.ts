import type { Entry } from '../../connector/contract.js'
import { everything } from '../../connector/filter.js'
import { check, checkBytes, checkEqual, checkThrows, fail } from '../assert.js'
import type { Check } from '../case.js'
import { sameEntries } from './scans.js'
import { bytesOf, entriesOf, entryOf, type Subject, someFiles } from './subject.js'

/** The worker's part, which does what the plain methods do. */
export const sideChecks: readonly Check<Subject>[] = [
  {
    name: 'scans in a worker as it does outside',
    needs: 'side',
    async run({ source, side }) {
      if (!side?.scan) return
      const prune = { takes: (path: string) => path.length % 3 !== 0 }
      for (const filter of [everything, prune]) {
        const found: Entry[] = []
        for (const batch of side.scan(filter, '')) {
          check(batch.length >= 1 && batch.length <= 1000, `a batch has 1 to 1,000 items, not ${batch.length}`)
          found.push(...batch.map(entryOf))
        }
        check(sameEntries(found, await entriesOf(source, '', filter)), 'both scans yield the same entries')
      }
    },
  },
  {
    name: 'reads in a worker as it does outside',
    needs: 'side',
    async run({ source, side }) {
      if (!side?.open) return
      for (const file of await someFiles(source)) {
        const bytes = await bytesOf(source, file)
        const open = side.open(file)
        try {
          const size = bytes.length
          for (const [at, length] of [
            [0, size],
            [0, size + 10],
            [size >> 1, size],
            [size, 5],
            [size + 5, 5],
            [0, Math.min(1, size)],
          ] as const) {
            const into = new Uint8Array(length)
            const read = open.read(into, at)
            const expected = bytes.subarray(at, at + length)
            checkEqual(read, expected.length, `how many of ${length} bytes there are at ${at} of ${file.path}`)
            checkBytes(into.subarray(0, read), expected, `${length} bytes at ${at} of ${file.path}`)
          }
          checkEqual(open.changed(), false, `whether ${file.path} changed`)
          let end = 0
          for (let data = open.nextData?.(0); data; data = open.nextData?.(end)) {
            check(data.offset >= end && data.length > 0, `the data of ${file.path} comes in ascending ranges`)
            check(bytes.subarray(end, data.offset).every(isZero), `a hole in ${file.path} reads as zeros`)
            end = data.offset + data.length
          }
          if (open.nextData) check(bytes.subarray(end).every(isZero), `the last hole in ${file.path} reads as zeros`)
        } finally {
          open.close()
        }
      }
    },
  },
  {
    name: 'says in a worker that a file is gone',
    needs: 'side',
    async run({ side }) {
      if (!side?.open) return
      const open = side.open.bind(side)
      const attempt = async () => open({ path: 'no-such/file-here', type: 'file' }).close()
      await checkThrows(attempt, 'KLOSET_NOT_FOUND', 'opening an absent file')
    },
  },
  {
    name: 'names a module for workers where it has a part for them',
    needs: 'side',
    async run({ source, side }) {
      if (!side?.scan && !side?.open) fail('the side of a source scans or opens')
      check(source.worker?.url instanceof URL, 'the source names the module of its side by a URL')
    },
  },
]

function isZero(byte: number): boolean {
  return byte === 0
}
