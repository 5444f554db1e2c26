import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/connector/index.js'
import { packHeaderLength } from '../../src/pack/reader.js'
import { PackRanges } from '../../src/store/reads.js'

const pack = new Uint8Array(32).fill(7)
const file = Uint8Array.from({ length: 1_000_000 }, (_, at) => at * 7 + (at >> 8))
const header = file.slice(0, packHeaderLength)

/** Ranges of one pack, with what was asked for; `fails` says which requests do. */
function rangesOf(fails: (offset: number, nth: number) => boolean = () => false) {
  const asked: string[] = []
  let told = 0
  const storage = {
    async get(_: string, { range }: { range: { offset: number; length: number } }) {
      const { offset, length } = range
      asked.push(`${offset}+${length}`)
      if (fails(offset, asked.length)) throw new Error('gone')
      return file.slice(offset, offset + length)
    },
  } as unknown as Storage
  const call = { signal: new AbortController().signal }
  const ranges = new PackRanges(storage, call, (bytes) => {
    told += bytes
  })
  return { asked, told: () => told, read: (from: number, to: number) => ranges.read({ pack, from, to }) }
}

describe('ranges of a pack', () => {
  it('that are read at once get the header of the first of them', async () => {
    const { asked, told, read } = rangesOf()
    const all = await Promise.all([read(100, 1_000), read(300_000, 400_000), read(400_000, 500_000)])
    expect(asked).toEqual(['0+1000', '300000+100000', '400000+100000'])
    expect(told()).toBe(201_000)
    for (const each of all) expect(each.header).toEqual(header)
    expect(all.map(({ from, bytes }) => [from, bytes.length])).toEqual([
      [0, 1_000],
      [300_000, 100_000],
      [400_000, 100_000],
    ])
    expect(all[1]!.bytes).toEqual(file.slice(300_000, 400_000))
  })

  it('that are far into the pack ask for the header once', async () => {
    const { asked, read } = rangesOf()
    await Promise.all([read(300_000, 400_000), read(400_000, 500_000)])
    await read(100, 1_000)
    expect(asked).toEqual([`0+${packHeaderLength}`, '300000+100000', '400000+100000', '100+900'])
  })

  it('do not fail because the one that was to bring the header did', async () => {
    const { asked, read } = rangesOf((_, nth) => nth === 1)
    const [first, second] = await Promise.allSettled([read(100, 1_000), read(300_000, 400_000)])
    expect(first.status).toBe('rejected')
    expect(second).toMatchObject({ status: 'fulfilled', value: { header } })
    expect(asked.filter((each) => each === `0+${packHeaderLength}`).length).toBe(1)
    await expect(read(100, 1_000)).resolves.toMatchObject({ header })
  })

  it('are asked for again when they failed', async () => {
    const { read } = rangesOf((offset, nth) => offset === 0 && nth <= 2)
    await expect(read(300_000, 400_000)).rejects.toThrow('gone')
    await expect(read(300_000, 400_000)).resolves.toMatchObject({ header })
  })
})
