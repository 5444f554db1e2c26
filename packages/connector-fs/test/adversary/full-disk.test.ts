import { execFileSync } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { create, errorsOf, fsStorage, open, places, threads, writeNoise } from '../engine/tools.js'

// A disk with no byte, or no inode, left: forgetting and pruning still work, with what the store has set aside, and set it aside again.

const place = places()
const engine = threads()
const mounted: string[] = []

function mount(...args: readonly string[]): string | undefined {
  const folder = place()
  try {
    execFileSync('mount', [...args, folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  mounted.push(folder)
  return folder
}

function ext4(options: readonly string[]): string | undefined {
  const image = `${place()}/image`
  writeFileSync(image, '')
  truncateSync(image, 12 * 1024 * 1024)
  try {
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-b', '1024', ...options, image], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  return mount('-o', 'loop', image)
}

afterEach(() => {
  for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder])
})

/** Leaves neither a byte nor, with `inodes`, a file. */
function fill(folder: string, inodes: boolean): void {
  mkdirSync(`${folder}/ballast`)
  try {
    for (let count = 0; inodes; count++) writeFileSync(`${folder}/ballast/${count}`, '')
  } catch {
    // No inode is left.
  }
  const file = openSync(inodes ? `${folder}/ballast/0` : `${folder}/ballast/bytes`, 'w')
  for (const size of [65_536, 1024, 1]) {
    try {
      for (;;) writeSync(file, new Uint8Array(size).fill(1))
    } catch {
      // No room of this size is left.
    }
  }
}

const disks: readonly (readonly [string, boolean, () => string | undefined])[] = [
  ['an ext4 without a byte', false, () => ext4([])],
  ['an ext4 without an inode or a byte', true, () => ext4(['-N', '256'])],
  ['a tmpfs without a byte', false, () => mount('-t', 'tmpfs', '-o', 'size=8m', 'tmpfs')],
  ['a tmpfs without an inode', true, () => mount('-t', 'tmpfs', '-o', 'size=8m,nr_inodes=256', 'tmpfs')],
]

describe('on a full disk, forget and prune make room again', () => {
  for (const [name, inodes, disk] of disks) {
    it(`on ${name}`, async ({ skip }) => {
      const at = disk()
      if (at === undefined) return skip('mounting a file system needs root')
      const source = place()
      writeNoise(`${source}/first`, 1_000_000, 1)
      const made = await create(`${at}/store`, engine, true)
      const { snapshot: first } = await made.backup(source)
      writeNoise(`${source}/first`, 1_000_000, 2)
      const { snapshot: second } = await made.backup(source)
      await made.close()
      fill(at, inodes)
      expect(() => writeFileSync(`${at}/more`, 'x')).toThrow(/ENOSPC/)

      // Also opened when the disk is full already.
      const store = await open(`${at}/store`, engine)
      await store.forget([first!.id])
      const { purged } = await store.prune({ delay: 0, grace: 0 })
      expect(purged.packs).toBeGreaterThan(0)
      expect(await errorsOf(store)).toEqual([])
      const heads: string[] = []
      for await (const { id } of store.snapshots()) heads.push(id)
      expect(heads).toEqual([second!.id])
      await store.close()
      const reserve = `${at}/store/reserve~`
      expect(readdirSync(reserve).map((piece) => statSync(`${reserve}/${piece}`).size)).toEqual(
        Array.from({ length: 8 }, () => 32 * 1024),
      )
    })
  }
})

describe('what a store sets aside', () => {
  it('is no object of it, and is made again where it is cut short', async () => {
    const at = place()
    const store = await create(at, engine)
    truncateSync(`${at}/reserve~/3`, 5)
    const { snapshot } = await store.backup(place())
    await store.forget([snapshot!.id])
    await store.close()
    expect(statSync(`${at}/reserve~/3`).size).toBe(32 * 1024)
    const storage = await fsStorage(at, { mode: 'read' })
    for await (const batch of storage.list('', { signal: new AbortController().signal, after: undefined }))
      for (const { name } of batch) expect(name).not.toContain('reserve')
  })
})
