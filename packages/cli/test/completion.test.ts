import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { takesValue } from '../src/arguments.js'
import { candidatesFor, type KnownVerb } from '../src/completion/candidates.js'
import { peerOptions, writtenStoreOptions } from '../src/options.js'
import { ls } from '../src/verbs/ls.js'
import { sync } from '../src/verbs/sync.js'

const verb = (summary: string, load: KnownVerb['load']): KnownVerb => ({ summary, load })
const known = {
  verbs: { ls: verb('list', async () => ls), sync: verb('copy', async () => sync) },
  locations: async () => ['nas', 'offsite'],
}

async function wordsFor(...words: string[]): Promise<string[]> {
  return (await candidatesFor(words, known)).words.map(({ value }) => value)
}

describe('the last word of a command line', () => {
  test('is a verb, or `at`, as long as there is none', async () => {
    expect(await wordsFor('')).toEqual(['at', 'ls', 'sync', 'help'])
    expect(await wordsFor('at', '/store', 's')).toEqual(['sync'])
    expect(await wordsFor('at', '/store', '')).not.toContain('at')
    expect(await wordsFor('help', 'l')).toEqual(['ls'])
    expect(await wordsFor('--limit-upload', '1M', 'l')).toEqual(['ls'])
  })

  test('is a place behind `at`, and where a verb wants another store', async () => {
    expect(await candidatesFor(['at', ''], known)).toMatchObject({ files: true })
    expect(await wordsFor('at', '@')).toEqual(['@nas', '@offsite'])
    expect(await wordsFor('at', '@nas', 'sync', 'to', '@o')).toEqual(['@offsite'])
  })

  test('is one of the choices of an argument or option', async () => {
    expect(await wordsFor('sync', '')).toEqual(['to', 'from', 'with'])
    expect(await wordsFor('ls', 'l')).toEqual(['latest'])
  })

  test('is an option that was not given yet, or may be given again', async () => {
    const first = await wordsFor('ls', '--')
    expect(first).toEqual(expect.arrayContaining(['--json', '--tag', '--help']))
    const second = await wordsFor('ls', '--json', '--tag', 'a', '--')
    expect(second).not.toContain('--json')
    expect(second).toContain('--tag')
  })

  test('is the value of the option before it', async () => {
    expect(await candidatesFor(['ls', '--passphrase-file', ''], known)).toEqual({ words: [], files: true })
    expect(await candidatesFor(['ls', '--tag', 'l'], known)).toEqual({ words: [], files: false })
  })

  test('is anything, where the line makes no sense', async () => {
    for (const words of [
      ['at', 'a', 'at', 'b', ''],
      ['nonsense', ''],
      ['at', 'a', 'at', ''],
    ])
      expect(await candidatesFor(words, known)).toEqual({ words: [], files: false })
  })
})

test('options that may stand before the verb are known to take a value', () => {
  const { options } = peerOptions(writtenStoreOptions(new Command()), 'Peer')
  const valued = options.filter(({ required }) => required).flatMap(({ short, long }) => [short, long])
  expect(new Set(valued.filter((name) => name !== undefined))).toEqual(new Set(takesValue))
})
