import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { has, kloset, onTerminal, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const at = {
  env: { KLOSET_STORE: store, XDG_STATE_HOME: join(folder, 'state'), XDG_CACHE_HOME: join(folder, 'cache') },
}

/** Puts an older state of the store in its place, as a disk that was restored does. */
function goBack(): void {
  rmSync(store, { recursive: true })
  cpSync(join(folder, 'older'), store, { recursive: true })
}

beforeAll(() => {
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'one')
  kloset(['create', '--no-encryption'], at)
  kloset(['backup', source], at)
  cpSync(store, join(folder, 'older'), { recursive: true })
  kloset(['backup', source], at)
})

describe('a store that went back', () => {
  test('is known as long as it does not', () => {
    expect(kloset(['trust'], at)).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to accept') })
    expect(kloset(['trust', '--json'], at).json).toEqual([{ type: 'summary', changed: false }])
  })

  test('is refused, by every verb', () => {
    goBack()
    for (const verb of [['ls'], ['backup', source], ['restore', '--to', join(folder, 'target'), 'latest'], ['prune']]) {
      const refused = kloset(verb, at)
      expect(refused).toMatchObject({ code: 1, stdout: '' })
      expect(refused.stderr).toContain(`kloset at ${store} trust`)
    }
    expect(kloset(['ls', '--json'], at).json).toMatchObject([{ type: 'error', code: 'KLOSET_LOG_CHANGED' }])
    // Who has not seen it before has nothing to compare it with.
    expect(
      kloset(['ls', '--no-encryption'], { env: { ...at.env, XDG_STATE_HOME: join(folder, 'another') } }),
    ).toMatchObject({ code: 0 })
  })

  test('is accepted only by a person, or when told so', () => {
    const asked = kloset(['trust'], at)
    expect(asked).toMatchObject({ code: 1, stdout: '' })
    expect(asked.stderr).toContain('--yes')
    expect(kloset(['trust', '--yes', '--json'], at).json).toMatchObject([
      { type: 'summary', changed: true, message: expect.any(String), head: 1, snapshots: 1 },
    ])
    expect(kloset(['ls'], at)).toMatchObject({ code: 0 })
    expect(kloset(['backup', source], at)).toMatchObject({ code: 0 })
  })

  test.skipIf(!has('script'))('on a terminal, after a question', async () => {
    goBack()
    const no = await onTerminal(['trust'], [[/Accept .* \(yes\/no\): /, 'no\r']], at)
    expect(no.code).toBe(1)
    expect(kloset(['ls'], at)).toMatchObject({ code: 1 })
    const yes = await onTerminal(['trust'], [[/Accept .* \(yes\/no\): /, 'yes\r']], at)
    expect(yes.code).toBe(0)
    expect(yes.screen).toContain('Accepted, with 1 snapshot')
    expect(kloset(['ls'], at)).toMatchObject({ code: 0 })
  })
})
