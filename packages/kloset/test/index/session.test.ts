import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/bytes/index.js'
import { SessionTable, type SharedSession } from '../../src/index/index.js'
import { counted } from '../crypto/helpers.js'
import { idOf } from './helpers.js'

describe('a session table', () => {
  it('gives each id to the first who claims it', () => {
    const table = new SessionTable()
    const claims = Array.from({ length: 1_500 }, (_, i) => table.claim(idOf(i % 500)))
    expect(claims.slice(0, 500).every(Boolean)).toBe(true)
    expect(claims.slice(500).some(Boolean)).toBe(false)
    expect(table.size).toBe(500)
  })

  it('reads ids at any offset, and compares them whole', () => {
    const table = new SessionTable()
    expect(table.claim(idOf(1))).toBe(true)
    for (let offset = 0; offset < 9; offset++) {
      expect(table.claim(concatBytes(counted(offset), idOf(1)), offset)).toBe(false)
    }
    for (let at = 0; at < 32; at++) {
      const similar = idOf(1)
      similar[at]! ^= 1
      expect(table.claim(similar)).toBe(true)
    }
  })

  it('gives everything to everybody once it is full, and forgets nothing', () => {
    const table = new SessionTable(1_024)
    for (let i = 0; i < 768; i++) expect(table.claim(idOf(i))).toBe(true)
    expect(table.crowded).toBe(true)
    expect([table.claim(idOf(5_000)), table.claim(idOf(5_000))]).toEqual([true, true])
    expect(Array.from({ length: 768 }, (_, i) => table.claim(idOf(i))).some(Boolean)).toBe(false)
  })

  it('grows, and shares what it grew by', () => {
    const table = new SessionTable(1_024)
    const joined = SessionTable.join(table.share())
    for (let i = 0; i < 700; i++) table.claim(idOf(i))
    table.grow()
    expect(table.crowded).toBe(false)
    joined.refresh(table.share())
    for (let i = 0; i < 2_000; i++) expect((i % 2 ? table : joined).claim(idOf(i))).toBe(i >= 700)
    for (let i = 0; i < 2_000; i++) expect((i % 2 ? joined : table).claim(idOf(i))).toBe(false)
    expect([table.size, joined.size]).toEqual([2_000, 2_000])
  })

  it('takes only sizes it can address', () => {
    for (const capacity of [0, 512, 1_000, 1_025, Number.NaN]) {
      expect(() => new SessionTable(capacity)).toThrow(RangeError)
    }
  })
})

describe('a session table in several threads', () => {
  let folder = ''
  beforeAll(async () => {
    // Threads cannot load TypeScript: what they need of it is translated for them.
    folder = await mkdtemp(join(tmpdir(), 'kloset-session-'))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    for (const name of ['session', 'words']) {
      const source = await readFile(new URL(`../../src/index/${name}.ts`, import.meta.url), 'utf8')
      const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
      await writeFile(join(folder, `${name}.js`), ts.transpileModule(source, { compilerOptions: options }).outputText)
    }
    await writeFile(join(folder, 'worker.js'), worker)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  // Claims every id once, in an order of its own, as soon as all threads are there; answers which ones it got.
  const worker = `
    import { parentPort, workerData } from 'node:worker_threads'
    import { SessionTable } from './session.js'
    const { session, ids, gate, step, threads } = workerData
    const table = SessionTable.join(session)
    const count = ids.length / 32
    const won = new Uint8Array(count)
    Atomics.add(gate, 0, 1)
    while (Atomics.load(gate, 0) < threads) {}
    for (let i = 0, at = step; i < count; i++, at = (at + step) % count) if (table.claim(ids, 32 * at)) won[at] = 1
    parentPort.postMessage(won)
  `

  async function race(session: SharedSession, ids: Uint8Array, steps: readonly number[]): Promise<Uint8Array[]> {
    const gate = new Int32Array(new SharedArrayBuffer(4))
    return Promise.all(
      steps.map(
        (step) =>
          new Promise<Uint8Array>((resolve, reject) => {
            const workerData = { session, ids, gate, step, threads: steps.length }
            const thread = new Worker(pathToFileURL(join(folder, 'worker.js')), { workerData })
            thread.once('message', resolve)
            thread.once('error', reject)
          }),
      ),
    )
  }

  it.each([
    ['all in the same order', [1, 1, 1, 1]],
    ['each in another order', [1, 7, 49_999, 11]],
  ])('gives each id to exactly one of them: %s', async (_, steps) => {
    const count = 50_000
    const shared = new Uint8Array(new SharedArrayBuffer(32 * count))
    for (let i = 0; i < count; i++) shared.set(idOf(i), 32 * i)
    const table = new SessionTable(131_072)
    const won = await race(table.share(), shared, steps)
    let twice = 0
    for (let i = 0; i < count; i++) {
      const winners = won.reduce((sum, of) => sum + of[i]!, 0)
      expect(winners).toBeGreaterThan(0)
      twice += winners - 1
    }
    // A thread that is stopped while it writes an id lets others claim that id too: at most one for each time it is stopped, and where
    // many more threads than cores run, that is often.
    expect(twice).toBeLessThan(count / 100)
    expect(table.size).toBe(count + twice)
    for (let i = 0; i < count; i++) expect(table.claim(idOf(i))).toBe(false)
  })
})
