import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeFolder, noise } from './folders.js'
import { kloset, temporary } from './kloset.js'

const folder = temporary()
const source = join(folder, 'source')
const store = join(folder, 'store')
const at = { env: { KLOSET_STORE: store } }

beforeAll(() => makeFolder(source))

// The shapes that docs/json.md promises.
const totals = { files: 7, directories: 5, others: 1, bytes: expect.any(Number), errors: 0 }
const hex = (digits: number) => expect.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`))
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('--json', () => {
  test('create', () => {
    const done = kloset(['create', '--no-encryption', '--json'], at)
    expect(done.json).toEqual([
      {
        type: 'summary',
        id: hex(32),
        location: store,
        created: iso,
        version: 1,
        encryption: 'none',
        chunker: { min: 262144, normal: 1048576, max: 4194304 },
        codec: expect.any(String),
      },
    ])
  })

  test('backup', () => {
    const lines = kloset(['backup', '--json', '-v', source, '--tag', 'a', '--name', 'n'], at).json
    expect(lines).toContainEqual({ type: 'new', path: 'hello.txt', kind: 'file', size: 13 })
    expect(lines).toContainEqual({
      type: 'stored',
      object: expect.stringMatching(/^packs\//),
      size: expect.any(Number),
    })
    expect(lines.at(-1)).toEqual({
      type: 'summary',
      dryRun: false,
      snapshot: expect.objectContaining({ id: hex(32), time: iso, tags: ['a'], name: 'n', totals }),
      failed: 0,
      excluded: 0,
      totals,
      changes: { new: expect.any(Number), changed: 0, unchanged: 0 },
      added: {
        chunks: expect.any(Number),
        bytes: expect.any(Number),
        stored: expect.any(Number),
        metadata: expect.any(Number),
        objects: expect.any(Number),
      },
      duration: expect.any(Number),
    })
    const types = new Set(kloset(['backup', '--json', source], at).json.map((line) => line.type))
    expect([...types].filter((type) => type !== 'progress' && type !== 'notice')).toEqual(['summary'])
  })

  test('ls', () => {
    const [first, second] = kloset(['ls', '--json'], at).json
    expect(first).toMatchObject({
      type: 'snapshot',
      id: hex(32),
      time: iso,
      tags: ['a'],
      sources: [{ type: 'fs', root: source, at: '', totals }],
      written: { blobs: expect.any(Number), bytes: expect.any(Number), stored: expect.any(Number) },
    })
    expect(second).toMatchObject({ parent: first?.id })
    const entries = kloset(['ls', '--json', '-r', 'latest'], at).json
    expect(entries.map((entry) => entry.path)).toContain('docs/two\nlines')
    expect(entries.find((entry) => entry.path === 'hello.txt')).toMatchObject({
      type: 'entry',
      snapshot: second?.id,
      kind: 'file',
      size: 13,
      mode: 0o644,
      mtime: '2020-09-13T12:26:40.000000000Z',
      owner: { uid: process.getuid?.() },
    })
  })

  test('cat', () => {
    const [entry, ...parts] = kloset(['cat', '--json', 'latest:big.bin'], at).json
    expect(entry).toMatchObject({ type: 'entry', path: 'big.bin', size: 5_000_000 })
    const content = Buffer.concat(parts.map((part) => Buffer.from(String(part.base64), 'base64')))
    expect(content.equals(noise(5_000_000))).toBe(true)
  })

  test('restore', () => {
    const target = join(folder, 'target')
    const lines = kloset(['restore', '--json', '-v', '--to', target, 'latest'], at).json
    expect(lines).toContainEqual({ type: 'restored', path: 'hello.txt' })
    expect(lines.at(-1)).toEqual({
      type: 'summary',
      dryRun: false,
      snapshot: hex(32),
      path: '',
      target,
      failed: 0,
      totals,
      skipped: 0,
      mended: 0,
      deleted: 0,
      leftOut: {},
      duration: expect.any(Number),
    })
  })

  test('check, info and version', () => {
    expect(kloset(['check', '--json', '--sample', '5%'], at).json.at(-1)).toEqual({
      type: 'summary',
      errors: 0,
      warnings: 0,
      read: { percent: 5, round: 0 },
      snapshots: [],
      duration: expect.any(Number),
    })
    expect(kloset(['info', '--json'], at).json).toMatchObject([
      { type: 'store', id: hex(32), snapshots: 2, packs: expect.any(Number), stored: expect.any(Number), keys: [] },
    ])
    expect(kloset(['version', '--json']).json).toEqual([
      {
        type: 'version',
        kloset: expect.stringMatching(/^\d+\.\d+\.\d+/),
        node: process.version,
        platform: process.platform,
        arch: process.arch,
      },
    ])
  })

  test('an error is the last line, and the exit code stays', () => {
    const missing = kloset(['at', join(folder, 'nowhere'), 'ls', '--json'])
    expect(missing.code).toBe(10)
    expect(missing.json.at(-1)).toMatchObject({
      type: 'error',
      code: 'KLOSET_NO_STORE',
      message: expect.any(String),
      hint: expect.stringContaining('create'),
    })
    expect(kloset(['ls', '--json', '--nonsense'], at)).toMatchObject({
      code: 2,
      json: [{ type: 'error', code: 'USAGE' }],
    })
    const usage = kloset(['cat', '--json', 'latest'], at)
    expect(usage).toMatchObject({ code: 2, json: [{ type: 'error', code: 'USAGE' }] })
  })
})

test('a long backup says how far it is', () => {
  const long = join(folder, 'long')
  mkdirSync(long)
  writeFileSync(join(long, 'file'), noise(60_000_000))
  const progress = kloset(['backup', '--json', long], at).json.filter((line) => line.type === 'progress')
  expect(progress[0]).toMatchObject({
    phase: expect.any(String),
    bytes: expect.any(Number),
    elapsed: expect.any(Number),
  })
})
