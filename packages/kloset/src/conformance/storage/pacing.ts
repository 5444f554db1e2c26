import { check, checkAborts, checkBytes, checkEqual } from '../assert.js'
import type { Check } from '../case.js'
import { type Bench, never, pattern, replacing, whole } from './bench.js'

/** Bodies on a line whose speed is limited. */
export const pacingChecks: readonly Check<Bench>[] = [
  {
    name: 'asks before each piece of a body passes',
    needs: 'paces',
    async run(bench) {
      const storage = await bench.client()
      const name = bench.named('paced')
      const body = pattern(1_000_000)
      const asked: number[] = []
      const pace = async (bytes: number): Promise<void> => {
        asked.push(bytes)
      }
      const told = (what: string, length: number): void => {
        checkEqual(
          asked.reduce((sum, bytes) => sum + bytes, 0),
          length,
          `the bytes that ${what} asked for`,
        )
        check(
          asked.every((bytes) => bytes > 0 && bytes <= mostAtOnce),
          `${what} asks for pieces of at most ${mostAtOnce} bytes`,
        )
        asked.length = 0
      }
      await storage.put(name, body, { ...replacing, pace })
      told('a put', body.length)
      checkBytes(await storage.get(name, { ...whole, pace }), body, 'a paced get')
      told('a get', body.length)
      await storage.get(name, { signal: never, range: { offset: 10, length: 300_000 }, pace })
      told('a get of a range', 300_000)
    },
  },
  {
    name: 'stores nothing of a put that is aborted while it waits for its pace',
    needs: 'paces',
    async run(bench) {
      const storage = await bench.client()
      const name = bench.named('waiting')
      const controller = new AbortController()
      const reason = new Error('aborted while it waited')
      let passed = 0
      const pace = async (bytes: number): Promise<void> => {
        if (passed === 0) setTimeout(() => controller.abort(reason), 20)
        passed += bytes
        if (passed > 300_000) await aborted(controller.signal)
      }
      const how = { ...replacing, signal: controller.signal, pace }
      await checkAborts(() => storage.put(name, pattern(1_000_000), how), reason, 'a put that waits')
      checkEqual(await storage.stat(name, { signal: never }), undefined, 'what the put left')
    },
  },
]

const mostAtOnce = 256 * 1024

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}
