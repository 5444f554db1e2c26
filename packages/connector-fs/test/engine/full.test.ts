import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { idsByPackIn } from '../../../kloset/test/backup/support.js'
import { create, differences, errorsOf, fsStorage, places, settle, someFiles, threads, writeNoise } from './tools.js'

const place = places()
const engine = threads()
const mounted: string[] = []

/** A file system of its own, of so many MiB; undefined where this process may not have one. */
function disk(mebibytes: number): string | undefined {
  const folder = place()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  mounted.push(folder)
  return folder
}

afterEach(() => {
  for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder])
})

describe('a full disk', () => {
  it('under the store is said to be full; the store stays whole, and goes on once there is room', async ({ skip }) => {
    const at = disk(12)
    if (at === undefined) return skip('mounting a file system needs root')
    const source = someFiles(place(), 100)
    const store = await create(at, engine, true)
    const { snapshot } = await store.backup(source)
    writeFileSync(`${at}/ballast`, new Uint8Array(3_000_000))
    writeNoise(`${source}/more`, 9_000_000, 9)
    await settle()
    await expect(store.backup(source)).rejects.toMatchObject({ code: 'KLOSET_FULL', hint: expect.any(String) })
    const heads: string[] = []
    for await (const { id } of store.snapshots()) heads.push(id)
    expect(heads).toEqual([snapshot!.id])
    expect(await errorsOf(store)).toEqual([])
    const kept = await idsByPackIn(await fsStorage(at, { mode: 'read' }), store)
    rmSync(`${at}/ballast`)
    rmSync(`${source}/more`)
    writeNoise(`${source}/more`, 1_500_000, 9)
    await settle()
    const result = await store.backup(source)
    expect(result.failed).toEqual([])
    expect(await errorsOf(store)).toEqual([])
    const packs = await idsByPackIn(await fsStorage(at, { mode: 'read' }), store)
    expect([...packs.keys()]).toEqual(expect.arrayContaining([...kept.keys()]))
    const all = [...packs.values()].flat()
    expect(all.length).toBe(new Set(all).size)
    const target = place()
    await store.restore('latest', target)
    expect(differences(source, target)).toEqual([])
    await store.close()
  })

  it('under the target is reported for what did not fit, and leaves no part of a file', async ({ skip }) => {
    const target = disk(6)
    if (target === undefined) return skip('mounting a file system needs root')
    const source = someFiles(place(), 60)
    writeNoise(`${source}/zz-too-big`, 30_000_000, 3)
    const store = await create(place(), engine)
    await store.backup(source)
    const { failed } = await store.restore('latest', target)
    expect(failed.map(({ path }) => path)).toContain('zz-too-big')
    for (const { error } of failed) expect(error).toMatchObject({ code: 'KLOSET_FULL' })
    expect(existsSync(`${target}/zz-too-big`)).toBe(false)
    expect(readdirSync(target, { recursive: true }).filter((name) => String(name).includes('.kloset-'))).toEqual([])
    expect(differences(source, target).filter((line) => !line.includes('only in'))).toEqual([])
    await store.close()
  })
})
