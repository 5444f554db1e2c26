import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { memoryStorage, openStore, type Snapshot, type Store } from 'kloset'
import type { Destination } from 'kloset/connector'
import { describe, expect, it } from 'vitest'
import { newStore } from '../../../kloset/test/backup/support.js'
import { commitByHand, hostileItems, type RawItem } from '../../../kloset/test/restore/handmade.js'
import { fsDestination, places, seen, threads } from './tools.js'

const place = places()
const engine = threads()

/** A snapshot of whatever entries, in a store of its own. */
async function snapshotOf(items: readonly RawItem[]): Promise<{ store: Store; snapshot: Snapshot }> {
  const made = await newStore()
  const storage = memoryStorage({ place: made.place })
  const id = await commitByHand(storage, made.store.id, items)
  const store = await openStore(storage, { unlock: { plaintext: true }, engine })
  return { store, snapshot: await store.snapshot(id) }
}

/** A target deep inside a folder that must not change, beside another such folder. */
function surrounded(): { root: string; target: string; outside: string } {
  const root = place()
  const target = join(root, 'in', 'between', 'target')
  const outside = join(root, 'outside')
  mkdirSync(target, { recursive: true })
  mkdirSync(outside)
  for (const folder of [root, join(root, 'in'), join(root, 'in/between'), outside])
    writeFileSync(join(folder, 'canary'), 'sings')
  return { root, target, outside }
}

/** Everything around the target. */
function around(root: string): Map<string, unknown> {
  return new Map(
    [...seen(root)].filter(([path]) => path !== 'in/between/target' && !path.startsWith('in/between/target/')),
  )
}

describe.each(['threads', 'plain methods'])('a hostile snapshot, restored by %s', (way) => {
  async function destination(target: string): Promise<Destination> {
    const to = await fsDestination(target)
    // Without its worker module the engine uses its methods.
    if (way === 'threads') return to
    return {
      capabilities: to.capabilities,
      current: to.current,
      create: (entry, how) => to.create(entry, how),
      write: (entry, content, how) => to.write(entry, content, how),
      finish: (entry, how) => to.finish!(entry, how),
      close: (outcome) => to.close(outcome),
    }
  }

  it('writes nothing outside of the target, and all that is harmless into it', async () => {
    const { root, target, outside } = surrounded()
    const { items, hostile } = hostileItems(outside)
    const { store, snapshot } = await snapshotOf(items)
    const before = around(root)
    const { failed } = await store.restore(snapshot, await destination(target))
    expect(around(root)).toEqual(before)
    expect(failed.map(({ path }) => path).sort()).toEqual([...hostile.refused].sort())
    for (const [path, text] of Object.entries(hostile.restored))
      expect(readFileSync(join(target, path), 'utf8')).toBe(text)
    expect(readdirSync(target).sort()).toEqual(['empty', 'good', 'link', 'plain', 'up', 'z'])
    expect(readlinkSync(join(target, 'link'))).toBe(outside)
    await store.close()
  })

  it('does not follow links that are in the target already', async () => {
    const { root, target, outside } = surrounded()
    symlinkSync(outside, join(target, 'to-folder'))
    symlinkSync(join(outside, 'canary'), join(target, 'to-file'))
    symlinkSync('../../../outside', join(target, 'relative'))
    mkdirSync(join(target, 'real'))
    symlinkSync(outside, join(target, 'real/deep'))
    const f = (path: string): RawItem => ({ path, stat: { type: 'file' }, content: 'written' })
    const { store, snapshot } = await snapshotOf([
      { path: '', stat: { type: 'directory' } },
      { path: 'real', stat: { type: 'directory', mode: 0o755 } },
      // Its folder is not in the snapshot, so nothing of it replaces the link that is there.
      f('real/deep/canary'),
      f('relative/canary'),
      { path: 'to-folder', stat: { type: 'directory', mode: 0o700 } },
      f('to-folder/canary'),
      f('to-file'),
    ])
    const before = around(root)
    await store.restore(snapshot, await destination(target), { overwrite: 'always' })
    expect(around(root)).toEqual(before)
    expect(lstatSync(join(target, 'to-file')).isFile()).toBe(true)
    await store.close()
  })

  it.each(['never', 'if-newer', 'if-changed'] as const)('keeps to it with the policy %s', async (overwrite) => {
    const { root, target, outside } = surrounded()
    symlinkSync(outside, join(target, 'd'))
    const { store, snapshot } = await snapshotOf([
      { path: '', stat: { type: 'directory' } },
      { path: 'd', stat: { type: 'directory', mtime: 5n } },
      { path: 'd/canary', stat: { type: 'file', mtime: 5n }, content: 'x' },
    ])
    const before = around(root)
    const result = await store.restore(snapshot, await destination(target), { overwrite })
    expect(around(root)).toEqual(before)
    if (overwrite !== 'if-changed') {
      expect(readlinkSync(join(target, 'd'))).toBe(outside)
      expect(result.failed.map(({ path }) => path)).toEqual(['d/canary'])
    }
    await store.close()
  })

  it('with sizes no disk has is refused, and the rest restored', async () => {
    const { target } = surrounded()
    const { store, snapshot } = await snapshotOf([
      { path: '', stat: { type: 'directory' } },
      { path: 'a', stat: { type: 'file', size: 5 }, content: 'small' },
      { path: 'lies', stat: { type: 'file', size: 2 ** 52 }, content: 'small' },
      { path: 'z', stat: { type: 'file' }, content: 'last' },
      // Written plainly, a hole is as many zeros.
      ...(way === 'threads' ? [{ path: 'huge', stat: { type: 'file' } as const, content: [2 ** 52 - 1] }] : []),
    ])
    const { failed } = await store.restore(snapshot, await destination(target))
    if (!existsSync(join(target, 'huge')))
      expect(failed.map(({ path }) => path)).toEqual(way === 'threads' ? ['huge'] : [])
    expect(readFileSync(join(target, 'lies'), 'utf8')).toBe('small')
    expect(readFileSync(join(target, 'z'), 'utf8')).toBe('last')
    expect(readdirSync(target).filter((name) => name.startsWith('.'))).toEqual([])
    await store.close()
  })
})
