import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, ByteWriter, concatBytes, fromHex, text, toHex, utf8 } from '../../src/bytes/index.js'
import { newHeader, readHeader, type SealLabel, sealer } from '../../src/crypto/index.js'
import { blake3 } from '../../src/hash/index.js'
import { decodeEntry, type EntryDraft, encodeEntry, replay, type SnapshotRecord } from '../../src/log/index.js'
import { codeOf, counted, fixedKeyring, fixedRandom, mutations } from '../crypto/helpers.js'
import { nameOf, place, snapshotDraft, snapshotRecord } from './helpers.js'

const keyring = fixedKeyring()
const read = (bytes: Uint8Array, position = 1): unknown => codeOf(() => decodeEntry(keyring, position, bytes))

const anyNames = fc.array(fc.nat().map(nameOf), { maxLength: 5 })
const anyId = fc.nat().map((n) => n.toString(16).padStart(32, '0'))
const anyTotals = fc.record({
  files: fc.maxSafeNat(),
  directories: fc.maxSafeNat(),
  others: fc.nat(),
  bytes: fc.maxSafeNat(),
  errors: fc.nat(),
})
// A path may hold bytes that are not UTF-8, as lone surrogates.
const anyPath = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('/srv/\udc80\udcff'))
const anySnapshot: fc.Arbitrary<SnapshotRecord> = fc.record(
  {
    id: anyId,
    time: fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
      .map((date) => date.toISOString()),
    duration: fc.maxSafeNat(),
    host: fc.string(),
    user: fc.string({ unit: 'grapheme' }),
    name: fc.string(),
    tags: fc.array(fc.string(), { maxLength: 3 }),
    parent: anyId,
    tool: fc.string(),
    domain: fc.nat(65_535),
    sources: fc.array(
      fc.record({
        type: fc.string(),
        origin: fc.string(),
        root: anyPath,
        tree: fc.nat().map(nameOf),
        totals: anyTotals,
      }),
      { maxLength: 3 },
    ),
    options: fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      // Zero has a sign that JSON does not keep.
      fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    ),
    written: fc.record({ blobs: fc.nat(), bytes: fc.maxSafeNat(), stored: fc.nat() }),
  },
  {
    requiredKeys: ['id', 'time', 'duration', 'host', 'user', 'tags', 'tool', 'domain', 'sources', 'written'],
  },
)
const anyContent: fc.Arbitrary<EntryDraft['content']> = fc.oneof(
  anySnapshot.map((snapshot) => ({ kind: 'snapshot' as const, snapshot })),
  fc.record({ kind: fc.constantFrom('forget', 'undelete'), snapshots: fc.array(anyId) }),
  fc.record({
    kind: fc.constant('setting'),
    name: fc.string(),
    value: fc.constantFrom(null, 1, 'x', [1], { a: true }),
  }),
  fc.record({
    kind: fc.constant('edit'),
    snapshots: fc.array(anyId),
    edit: fc.record(
      {
        name: fc.option(fc.string()),
        tags: fc.record(
          { set: fc.array(fc.string()), remove: fc.array(fc.string()), add: fc.array(fc.string()) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ kind: fc.constantFrom('condemn', 'suspect', 'purge', 'purged', 'index-swap') }),
) as fc.Arbitrary<EntryDraft['content']>

describe('an entry', () => {
  it('gives back what was put in', () => {
    const drafts = fc.record({
      content: anyContent,
      segmentsAdded: anyNames,
      segmentsRemoved: anyNames,
      packs: anyNames,
      lifted: anyNames,
    })
    const random = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Bytes>
    const places = fc.record({
      position: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      previous: random(32),
      nonce: random(16),
      writer: random(16),
      time: fc.maxSafeNat(),
    })
    fc.assert(
      fc.property(drafts, places, (draft, at) => {
        const bytes = encodeEntry(keyring, at, draft)
        const entry = decodeEntry(keyring, at.position, bytes)
        expect(entry).toMatchObject({ ...draft, ...at, critical: true })
        expect(toHex(entry.hash)).toBe(toHex(blake3(bytes)))
      }),
      { numRuns: 100 },
    )
  })

  it('is as the format says', () => {
    const draft: EntryDraft = {
      content: { kind: 'condemn' },
      segmentsAdded: [nameOf(1)],
      segmentsRemoved: [],
      packs: [nameOf(2), nameOf(3)],
      lifted: [nameOf(4)],
    }
    const at = { ...place, position: 258, previous: counted(32, 5) }
    const bytes = encodeEntry(keyring, at, draft)
    const header = readHeader('log', bytes)
    const view = new DataView(bytes.buffer)
    const [first, second, third] = [view.getUint32(46, true), view.getUint32(50, true), view.getUint32(54, true)]
    expect(58 + first + second + third).toBe(bytes.length)
    const part = (label: SealLabel, kind: number, from: number, length: number): Bytes =>
      sealer(keyring, header, label).open(kind, 0, bytes.subarray(from, from + length))
    const routing = new ByteWriter()
    routing.u64(258)
    for (const field of [at.previous, at.nonce, at.writer, Uint8Array.of(4, 1)]) routing.bytes(field)
    routing.u64(at.time)
    for (const names of [[nameOf(1)], [], [nameOf(2), nameOf(3)], [nameOf(4)]]) {
      routing.u8(names.length)
      for (const name of names) routing.bytes(fromHex(name))
    }
    expect(toHex(part('log', 0, 58, first))).toBe(toHex(routing.finish()))
    expect(text(part('read', 1, 58 + first, second))).toBe('{}')
    expect(toHex(part('read', 2, 58 + first + second, third))).toBe('00')
  })

  it('holds the JSON of a snapshot as the format says', () => {
    const snapshot = snapshotRecord(1, { name: 'daily', parent: '2'.padStart(32, '0'), options: { a: 1 } })
    const { privateBytes } = decodeEntry(
      keyring,
      1,
      encodeEntry(keyring, place, { content: { kind: 'snapshot', snapshot } }),
    )
    expect(text(privateBytes)).toBe(
      '{"id":"00000000000000000000000000000001","time":"2026-01-31T12:00:00.000Z","duration":1234,"host":"laptop",' +
        '"user":"anna","name":"daily","tags":[],"parent":"00000000000000000000000000000002","tool":"kloset 0.1.0","domain":0,' +
        `"sources":[{"type":"fs","origin":"laptop","root":"/home/anna","tree":"${nameOf(1)}",` +
        '"totals":{"files":1,"directories":2,"others":3,"bytes":4,"errors":5}}],"options":{"a":1},' +
        '"written":{"blobs":6,"bytes":7,"stored":8}}',
    )
  })

  it.each([
    ['aes-256-gcm', '3520680996f22e2641e71d47dd52ed0ea7add9f17559bc0499ba9781693521e7'],
    ['chacha20-poly1305', '8b18c96a2423529594505d5ee111b59fc1796baa050da9face8748f14c9baa73'],
    ['none', '0069761cf3f2a0fdd0fa454226bcd32bb08036f83303e729aa3e19f401d9590f'],
  ] as const)('is pinned, %s', (encryption, hash) => {
    const draft = snapshotDraft(1, { segmentsAdded: [nameOf(1)], lifted: [nameOf(2)] })
    expect(toHex(blake3(encodeEntry(fixedKeyring(encryption), place, draft, fixedRandom())))).toBe(hash)
  })

  it('belongs to its position', () => {
    const bytes = encodeEntry(keyring, place, snapshotDraft(1))
    for (const position of [0, 2, 2 ** 32 + 1]) expect(read(bytes, position)).toBe('KLOSET_LOG_CORRUPT')
    expect(() => decodeEntry(keyring, 7, bytes)).toThrow(/entry 7/)
  })

  it('has at most 64 KiB', () => {
    const packs = (count: number): EntryDraft => ({
      content: { kind: 'condemn' },
      packs: Array.from({ length: count }, (_, i) => nameOf(i)),
    })
    expect(codeOf(() => encodeEntry(keyring, place, packs(2_050)))).toBe('KLOSET_LIMIT')
    expect(read(encodeEntry(keyring, place, packs(2_000)))).toMatchObject(packs(2_000))
    expect(read(new Uint8Array(64 * 1024 + 1))).toBe('KLOSET_LOG_CORRUPT')
  })

  it('survives any change with a typed error', () => {
    const bytes = encodeEntry(keyring, place, snapshotDraft(1, { segmentsAdded: [nameOf(1)] }))
    for (const changed of mutations(bytes)) expect(read(changed)).toBe('KLOSET_LOG_CORRUPT')
    for (let end = 0; end < bytes.length; end += 3) expect(read(bytes.subarray(0, end))).toBe('KLOSET_LOG_CORRUPT')
    expect(read(concatBytes(bytes, counted(1)))).toBe('KLOSET_LOG_CORRUPT')
    expect(codeOf(() => decodeEntry(fixedKeyring('chacha20-poly1305'), 1, bytes))).toBe('KLOSET_LOG_CORRUPT')
  })
})

/** An entry of any parts, rightly sealed. */
function forge({ kind = 1, critical = 1, json = '{}', tail = '', signature = '00', lists = '00000000' }): Bytes {
  const routing = concatBytes(
    fromHex('0100000000000000'),
    place.previous,
    place.nonce,
    place.writer,
    Uint8Array.of(kind, critical),
    fromHex('0000000000000000'),
    fromHex(lists),
    utf8(tail),
  )
  const parts = [routing, utf8(json), fromHex(signature)]
  const extension = new ByteWriter()
  for (const part of parts) extension.u32(part.length + 16)
  const header = newHeader('log', 0, extension.finish())
  const labels: SealLabel[] = ['log', 'read', 'read']
  return concatBytes(header.bytes, ...parts.map((part, i) => sealer(keyring, header, labels[i]!).seal(i, 0, part)))
}

describe('an entry, rightly sealed,', () => {
  const json = JSON.stringify(snapshotRecord(1))

  it('is read where nothing is wrong with it', () => {
    expect(read(forge({ json }))).toMatchObject({ content: { kind: 'snapshot', snapshot: snapshotRecord(1) } })
    expect(read(forge({ kind: 4 }))).toMatchObject({ content: { kind: 'condemn' } })
  })

  it.each([
    ['with a flag of 2', { json, critical: 2 }],
    ['with bytes after its routing', { json, tail: 'x' }],
    ['with a list that is too long', { json, lists: 'ffffffffffffff0f000000' }],
    ['with a list that ends early', { json, lists: '01000000' }],
    ['without a signature', { json, signature: '' }],
    ['with something after no signature', { json, signature: '0001' }],
    ['that forgets something else', { kind: 2, json: '{"snapshots":["1"]}' }],
    ['that forgets nothing', { kind: 2 }],
    ['that sets nothing', { kind: 9, json: '{"name":"x"}' }],
  ])('%s is refused', (_, parts) => {
    expect(read(forge(parts))).toBe('KLOSET_LOG_CORRUPT')
  })

  it.each([
    ['with no JSON', { json: 'snapshot' }],
    ['with a list for JSON', { json: '[]' }],
    ['with nothing in its JSON', { json: '{}' }],
    ['with JSON that is nested without end', { json: '['.repeat(30_000) }],
    [
      'with nested options',
      { json: json.replace('"written"', `"options":{"a":${'['.repeat(9_000)}${']'.repeat(9_000)}},"written"`) },
    ],
    [
      'with a snapshot id that is a path',
      { json: json.replace(snapshotRecord(1).id, '../../../../../../../../etc/passwd') },
    ],
    ['with a tree that is no id', { json: json.replace(nameOf(1), nameOf(1).slice(1)) }],
    ['with sources that are an object', { json: json.replace('"sources":[', '"sources":{},"was":[') }],
    ['with a source that is null', { json: json.replace('"sources":[', '"sources":[null,') }],
    ['with no time', { json: json.replace('2026-01-31T12', '2026-13-31T12') }],
    ['with a domain too large', { json: json.replace('"domain":0', '"domain":65536') }],
  ])('%s costs its snapshot, and the log goes on', (_, { json: odd }) => {
    const entry = decodeEntry(keyring, 1, forge({ json: odd }))
    expect(entry).toMatchObject({ content: undefined, malformed: expect.any(String) })
    const { state, damage } = replay([entry])
    expect(damage).toBeUndefined()
    expect([state.position, state.readOnly, state.snapshots.size]).toEqual([1, undefined, 0])
  })

  it('of an unknown kind is passed over, or keeps this version from writing if it must be understood', () => {
    const optional = decodeEntry(keyring, 1, forge({ kind: 200, critical: 0, json: 'anything' }))
    expect(optional).toMatchObject({ kindNumber: 200, content: undefined, critical: false })
    expect(replay([optional])).toMatchObject({ state: { position: 1, readOnly: undefined }, damage: undefined })
    const critical = decodeEntry(keyring, 1, forge({ kind: 16, json: '{}' }))
    expect(replay([critical]).state.readOnly).toMatch(/kind 16/)
    expect(replay([critical]).state.position).toBe(1)
  })

  it('with a signature of an unknown scheme is read', () => {
    expect(read(forge({ json, signature: `01${'ab'.repeat(64)}` }))).toMatchObject({ position: 1 })
  })
})
