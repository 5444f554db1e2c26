import { spawn } from 'node:child_process'
import { linkSync, lstatSync, readdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isTemporaryName, nextTemporaryName } from '../../src/leftovers.js'
import { create, differences, open, places, settle, someFiles, threads, writeNoise } from './tools.js'

const place = places()
const engine = threads()
const child = fileURLToPath(new URL('./restore-child.mjs', import.meta.url))

/** Restores in another process and kills it once so many entries are restored. */
function killedAfter(store: string, target: string, entries: number, wait: number): Promise<void> {
  return new Promise((resolve) => {
    let lines = 0
    const running = spawn(process.execPath, [child, store, target], { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface(running.stdout).on('line', () => {
      if (++lines === entries) setTimeout(() => running.kill('SIGKILL'), wait)
    })
    running.on('close', () => resolve())
  })
}

function temporariesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    isTemporaryName(path.slice(path.lastIndexOf('/') + 1)),
  )
}

describe('a restore whose process is killed', () => {
  it.each([
    [1, 25],
    [40, 0],
    [180, 3],
  ])('after %i lines and %i ms goes on where it was, and nothing is left of it', async (lines, wait) => {
    const source = someFiles(place(), 250)
    writeNoise(`${source}/1/big`, 60_000_000, 5)
    linkSync(`${source}/1/1/file-1`, `${source}/2/name`)
    await settle()
    const at = place()
    const store = await create(at, engine)
    await store.backup(source)
    const target = place()
    await killedAfter(at, target, lines, wait)
    const before = new Map(filesOf(target).map((path) => [path, lstatSync(`${target}/${path}`).ino]))
    const again = await store.restore('latest', target, { overwrite: 'if-changed', verify: true })
    expect(again.failed).toEqual([])
    expect(differences(source, target)).toEqual([])
    expect(temporariesIn(target)).toEqual([])
    // What was right already is the very file it was.
    const kept = [...before].filter(([path, inode]) => lstatSync(`${target}/${path}`).ino === inode)
    expect(kept).toHaveLength(before.size)
    expect(again.skipped).toBe(before.size)
    await store.close()
  })

  it('is not told from one that is running, where it is', async () => {
    const source = someFiles(place(), 3)
    const at = place()
    const store = await create(at, engine)
    await store.backup(source)
    const target = place()
    // This process is alive, and its file not a day old.
    writeFileSync(`${target}/${nextTemporaryName()}`, 'half')
    await expect(store.restore('latest', target)).rejects.toMatchObject({
      code: 'KLOSET_EXISTS',
      hint: expect.stringContaining('if-changed goes on from there'),
    })
    await store.restore('latest', target, { overwrite: 'if-changed' })
    expect(temporariesIn(target)).toHaveLength(1)
    await store.close()
    await (await open(at, engine)).close()
  })
})

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => lstatSync(`${folder}/${path}`).isFile() && !isTemporaryName(path.slice(path.lastIndexOf('/') + 1)),
  )
}
