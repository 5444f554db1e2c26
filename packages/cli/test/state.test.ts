import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readState, writeState } from '../src/state.js'

const home = mkdtempSync(join(tmpdir(), 'kloset-state-'))
afterAll(() => rmSync(home, { recursive: true }))
const env = { XDG_STATE_HOME: home }

test('the round of samples is remembered per store', async () => {
  expect(await readState('aa', env)).toEqual({ sampleRounds: 0 })
  await writeState('aa', { sampleRounds: 3 }, env)
  expect(await readState('aa', env)).toEqual({ sampleRounds: 3 })
  expect(await readState('bb', env)).toEqual({ sampleRounds: 0 })
  expect(readdirSync(join(home, 'kloset'))).toEqual(['aa.json'])
})

test('what is unreadable counts as nothing', async () => {
  for (const content of ['', '{', '[]', 'null', '{"sampleRounds":-1}', '{"sampleRounds":"x"}']) {
    writeFileSync(join(home, 'kloset', 'cc.json'), content)
    expect(await readState('cc', env)).toEqual({ sampleRounds: 0 })
  }
  await writeState('cc', { sampleRounds: 1 }, env)
  expect(JSON.parse(readFileSync(join(home, 'kloset', 'cc.json'), 'utf8'))).toEqual({ sampleRounds: 1 })
})
