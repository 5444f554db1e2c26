import type { Storage } from '../../connector/contract.js'
import { check, checkBytes, checkEqual } from '../assert.js'
import type { Check } from '../case.js'
import { type Bench, eachOf, ifAbsent, listed, pattern, replacing, whole } from './bench.js'

/** Several puts at once, of one client and of two. */
export const raceChecks: readonly Check<Bench>[] = [
  {
    name: 'stores if absent, and otherwise leaves what is there',
    needs: 'putIfAbsent',
    async run(bench) {
      const [one, other] = [await bench.client(), await bench.client()]
      const name = bench.named('log/1')
      checkEqual(await one.put(name, pattern(100, 1), ifAbsent), 'stored', 'the first put if absent')
      for (const storage of [one, other]) {
        checkEqual(await storage.put(name, pattern(200, 2), ifAbsent), 'exists', 'a put if absent of what is there')
        checkEqual(await storage.put(name, pattern(100, 1), ifAbsent), 'exists', 'the same put if absent again')
        checkBytes(await storage.get(name, whole), pattern(100, 1), 'what was there before')
      }
      await one.remove([name], { signal: ifAbsent.signal })
      checkEqual(await other.put(name, pattern(0), ifAbsent), 'stored', 'a put if absent of what was removed')
      checkEqual(await one.put(name, pattern(100, 1), ifAbsent), 'exists', 'a put if absent of an empty object')
    },
  },
  {
    name: 'lets exactly one of racing puts if absent win',
    needs: 'putIfAbsent',
    timeout: 120_000,
    async run(bench) {
      const clients = [await bench.client(), await bench.client()]
      for (let round = 0; round < 20; round++) {
        const name = bench.named(`race/${round}/${round}`)
        const bodies = Array.from({ length: 16 }, (_, racer) => pattern(1000 + racer, racer))
        const racing = bodies.map((body, racer) => clients[racer % 2]!.put(name, body, ifAbsent))
        const answers = await Promise.all(racing)
        const winners = bodies.filter((_, racer) => answers[racer] === 'stored')
        checkEqual(winners.length, 1, 'how many of 16 racers were told `stored`')
        for (const client of clients)
          checkBytes(await client.get(name, whole), winners[0]!, 'the object that 16 racers wanted to store')
      }
      await checkOnlyObjects(clients[0]!, bench, 20)
    },
  },
  {
    name: 'never shows a part of an object that is being replaced',
    needs: 'write',
    timeout: 120_000,
    async run(bench) {
      const clients = [await bench.client(), await bench.client()]
      const name = bench.named('whole')
      const put = (racer: number) => clients[racer % 2]!.put(name, labelled(racer), replacing)
      await put(0)
      let busy = true
      const reading = (async () => {
        while (busy) checkLabelled(await clients[1]!.get(name, whole))
      })()
      try {
        for (let round = 0; round < 5; round++)
          await Promise.all(Array.from({ length: 8 }, (_, racer) => put(round * 8 + racer)))
      } finally {
        busy = false
        await reading
      }
      checkLabelled(await clients[0]!.get(name, whole))
      await checkOnlyObjects(clients[0]!, bench, 1)
    },
  },
  {
    name: 'stores and reads many objects at once',
    needs: 'write',
    timeout: 120_000,
    async run(bench) {
      const clients = [await bench.client(), await bench.client()]
      const numbers = Array.from({ length: 200 }, (_, at) => at)
      const named = (at: number) => bench.named(`at-once/${at % 5}/${at}`)
      await eachOf(numbers, (at) => clients[at % 2]!.put(named(at), pattern(at * 100, at), replacing), 32)
      const read = async (at: number) =>
        checkBytes(await clients[(at + 1) % 2]!.get(named(at), whole), pattern(at * 100, at), `object ${at} of 200`)
      await eachOf(numbers, read, 32)
      await checkOnlyObjects(clients[0]!, bench, 200)
    },
  },
]

/** Bytes that all say the same number, as many as that number asks for. */
function labelled(label: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(10_000 + label * 1000).fill(label)
}

function checkLabelled(bytes: Uint8Array): void {
  const label = bytes[0] ?? -1
  checkEqual(bytes.length, 10_000 + label * 1000, `the length of object ${label} while it is replaced`)
  check(
    bytes.every((byte) => byte === label),
    'an object that is replaced holds bytes of one put only',
  )
}

async function checkOnlyObjects(storage: Storage, bench: Bench, count: number): Promise<void> {
  if (!storage.capabilities.list) return
  checkEqual((await listed(storage, bench.prefix)).length, count, 'how many objects the races left')
}
