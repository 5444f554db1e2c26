import { beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, ByteWriter, concatBytes, fromHex, toHex, utf8 } from '../../src/bytes/index.js'
import { headerLength, newHeader, sealer } from '../../src/crypto/index.js'
import { blake3, keyedBlake3 } from '../../src/hash/index.js'
import { encodeSegment } from '../../src/index/index.js'
import { checkpointObject, entryObject } from '../../src/log/index.js'
import { encodeFooter } from '../../src/pack/footer.js'
import type { MemoryPlace } from '../../src/storage/index.js'
import { makeSegment } from '../index/helpers.js'
import { Forger, forgedPack } from '../support/forge.js'
import { files, noise, sourceWith } from '../support/samples.js'
import {
  codesOf,
  copyOfPlace,
  createAt,
  filesOf,
  findingsOf,
  openAt,
  outcome,
  placeOf,
  plaintext,
  rawKey,
  restored,
} from '../support/stores.js'

let place: MemoryPlace
let forger: Forger
beforeEach(async () => {
  place = placeOf()
  const store = await createAt(place, plaintext)
  await store.backup(sourceWith(files({ good: 'good', more: noise(300, 1) })), {})
  forger = await Forger.of(place)
})

async function stillRestores(snapshot = 'latest'): Promise<void> {
  const { found, result } = await restored(await openAt(place, plaintext, { damagedLog: true }), snapshot)
  expect(result.failed).toEqual([])
  expect([...filesOf(found).keys()].sort()).toEqual(['good', 'more'])
}

async function found(): Promise<string[]> {
  return codesOf(await findingsOf(await openAt(place, plaintext)))
}

describe('config', () => {
  const json = (more: object): Bytes => {
    const [line] = new TextDecoder().decode(place.get('config')).split('\n')
    return utf8(JSON.stringify({ ...JSON.parse(line!), ...more }))
  }
  const signed = (line: Bytes): Bytes => concatBytes(line, utf8(`\n${toHex(macOf(line))}\n`))
  const macOf = (line: Bytes): Bytes => keyedBlake3(forger.keyring.configKey, line)

  it.each<[string, Uint8Array]>([
    ['empty', new Uint8Array(0)],
    ['of zeros', new Uint8Array(300)],
    ['foreign text', utf8('[core]\n\trepositoryformatversion = 0\n')],
    ['foreign JSON', utf8('{"version":1,"id":"x"}\nabc\n')],
    ['without an end', utf8('{"format":"kloset"')],
    ['deeply nested', utf8(`${'['.repeat(30_000)}\nabc\n`)],
    ['too large', utf8(`${' '.repeat(70_000)}\nabc\n`)],
  ])('%s: a typed error, or its copy serves', async (_, bytes) => {
    const both = copyOfPlace(place)
    both.set('config', new Uint8Array(bytes))
    both.set('config.copy', new Uint8Array(bytes))
    expect(await outcome(openAt(both, plaintext))).toBe('KLOSET_CONFIG_CORRUPT')
    place.set('config', new Uint8Array(bytes))
    await stillRestores()
    expect(await found()).toEqual(['config-corrupt'])
  })

  it.each([
    ['of version 2', { version: 2 }],
    ['that requires what is not known', { requires: ['time-travel'] }],
  ])('%s is refused', async (_, more) => {
    const bytes = signed(json(more))
    place.set('config', bytes)
    place.set('config.copy', bytes)
    expect(await outcome(openAt(place, plaintext))).toBe('KLOSET_VERSION')
    expect(await outcome(openAt(place, rawKey))).toBe('KLOSET_VERSION')
  })

  it('that seems newer by damage only: its copy serves', async () => {
    place.set('config', signed(json({ version: 3 })))
    const notices: string[] = []
    await openAt(place, plaintext, { onNotice: ({ code }) => notices.push(code) })
    expect(notices).toEqual(['copy-used'])
    await stillRestores()
  })

  it.each([
    ['chunks without bounds', { chunker: { min: 64, normal: 128, max: 2 ** 40 } }],
    ['packs without bounds', { pack: 2 ** 40 }],
    ['a frame of nothing', { frame: 0 }],
    ['another store id', { store: '0'.repeat(32) }],
    ['an unknown codec', { codec: 'rar' }],
  ])('with %s is refused', async (_, more) => {
    place.set('config', signed(json(more)))
    place.set('config.copy', signed(json(more)))
    expect(await outcome(openAt(place, plaintext))).toBe('KLOSET_CONFIG_CORRUPT')
  })
})

describe('index segment', () => {
  const named = (bytes: Bytes): string => forger.storeSegment({ name: toHex(blake3(bytes)), bytes })
  const use = (name: string): void => {
    forger.append({ content: { kind: 'index-swap' }, segmentsAdded: [name] })
  }

  it.each([0, 16, 0xffff_ffff])('whose table is said to have %i bytes', async (length) => {
    const extension = new ByteWriter()
    extension.u32(length)
    const header = newHeader('index', 0, extension.finish())
    use(named(concatBytes(header.bytes, new Uint8Array(64))))
    expect(await found()).toEqual(['segment-corrupt'])
    await stillRestores()
  })

  it('whose table counts four thousand million records, packs and frames', async () => {
    const table = new ByteWriter()
    table.u8(1)
    table.u16(0)
    for (let count = 0; count < 3; count++) table.u32(0xffff_ffff)
    const extension = new ByteWriter()
    extension.u32(table.length + 16)
    const header = newHeader('index', 0, extension.finish())
    const sealed = sealer(forger.keyring, header, 'index').seal(1, 0, table.finish())
    use(named(concatBytes(header.bytes, sealed)))
    expect(await found()).toEqual(['segment-corrupt'])
    await stillRestores()
  })

  it('that lies about packs that are not there', async () => {
    use(forger.storeSegment(encodeSegment(forger.keyring, makeSegment({ packs: 2, frames: 2, records: 3 }))))
    expect(await found()).toEqual(['pack-missing'])
    await stillRestores()
  })

  it('that says other things of a pack than its footer', async () => {
    const [name] = [...place.keys()].filter((each) => each.startsWith('packs/'))
    const segment = makeSegment({ packs: 1, frames: 2, records: 3 })
    const pack = { ...segment.packs[0]!, name: fromHex(name!.slice(9)) }
    use(forger.storeSegment(encodeSegment(forger.keyring, { ...segment, packs: [pack] })))
    const findings = await findingsOf(await openAt(place, plaintext), {})
    expect(findings.map(({ code, object }) => [code, object])).toContainEqual(['index-mismatch', name])
    expect(findings.map(({ code }) => code)).not.toContain('pack-missing')
    await stillRestores()
  })
})

describe('pack', () => {
  const use = ({ object, file }: { object: string; file: Bytes }): void => void place.set(object, file)

  /** A pack that only its footer tells of is read when a segment is missing. */
  async function foundWithoutIndex(): Promise<string[]> {
    const [segment] = [...place.keys()].filter((name) => name.startsWith('index/'))
    place.delete(segment!)
    return found()
  }

  it.each<[string, (length: number) => Uint8Array]>([
    ['claims a frame of 4 GiB', (length) => footerOf(length, [0xffff_ffff, 0xffff_ffff, 1], 1)],
    ['claims a raw frame of 4 GiB', (length) => footerOf(length, [length - headerLength, 0xffff_ffff, 1], 1)],
    ['claims four thousand million records', (length) => footerOf(length, [0, 0, 0xffff_ffff], 0)],
    ['has a footer of one byte', () => Uint8Array.of(1)],
    ['has records beyond their frame', (length) => footerOf(length, [length - headerLength, 1, 1], 1)],
  ])('that %s', async (_, footer) => {
    use(forgedPack(forger.keyring, [new Uint8Array(20)], footer))
    expect(await found()).toEqual(['orphan-pack'])
    expect(await foundWithoutIndex()).toEqual(['orphan-pack', 'segment-missing'])
    await stillRestores()
  })

  it.each([0, 1, 0xffff_fff0])('whose footer is said to have %i bytes', async (trailer) => {
    use(forgedPack(forger.keyring, [], () => new Uint8Array(0), trailer))
    expect(await foundWithoutIndex()).toEqual(['orphan-pack', 'segment-missing'])
    await stillRestores()
  })

  it.each([
    ['says that it has 4 GiB', [0, 0xffff_ffff, 4]],
    ['is stored with 4 GiB', [0, 4, 0xffff_ffff]],
    ['has an unknown codec', [99, 4, 4]],
    ['is LZ4 that is not', [1, 4, 4]],
    ['is zstd that is not', [2, 4, 4]],
    ['is deflate that is not', [3, 4, 4]],
  ])('whose frame %s', async (_, [codec, raw, stored]) => {
    const frame = new ByteWriter()
    frame.u8(codec!)
    frame.u32(0)
    frame.u32(raw!)
    frame.u32(stored!)
    frame.bytes(Uint8Array.of(1, 2, 3, 4))
    use(forgedPack(forger.keyring, [frame.finish()], (length) => footerOf(length, [length - headerLength, 4, 1], 1)))
    expect(await foundWithoutIndex()).toEqual(['frame-corrupt', 'segment-missing'])
    await stillRestores()
  })

  it('that a newer version wrote, as a flipped bit may look', async () => {
    const [pack] = [...place.keys()].filter((name) => name.startsWith('packs/'))
    const bytes = place.get(pack!)!.slice()
    bytes[5] = 3
    place.set(pack!.replace(/^packs\/..\/../, 'packs/00/00'), bytes)
    expect(await foundWithoutIndex()).toEqual(['orphan-pack', 'segment-missing'])
    await stillRestores()
  })
})

describe('log', () => {
  async function writes(): Promise<unknown> {
    return outcome((await openAt(place, plaintext)).backup(sourceWith(files({ good: 'good', more: 'm' })), {}))
  }

  it('with a gap: what came before can be read, and nothing is written', async () => {
    for (let i = 0; i < 3; i++) forger.append({ content: { kind: 'setting', name: 'x', value: i } })
    place.delete(entryObject(3))
    const notices: string[] = []
    await openAt(place, plaintext, { onNotice: ({ code }) => notices.push(code) })
    expect(notices).toEqual(['log-damaged'])
    expect(await found()).toEqual(['log-gap'])
    expect(await writes()).toBe('KLOSET_LOG_CORRUPT')
    await stillRestores()
  })

  it('with an entry that does not follow the one before', async () => {
    forger.appendRaw(8, true, new Uint8Array(32).fill(1))
    expect(await found()).toEqual(['log-corrupt'])
    expect(await writes()).toBe('KLOSET_LOG_CORRUPT')
    await stillRestores()
  })

  it('with an entry of a huge size, which is not read', async () => {
    place.set(entryObject(2), new Uint8Array(3_000_000))
    expect(await found()).toEqual(['log-corrupt'])
    expect(await writes()).toBe('KLOSET_LOG_CORRUPT')
    await stillRestores()
  })

  it('with an entry whose parts are said to be larger than it is', async () => {
    const lengths = new ByteWriter()
    for (let i = 0; i < 3; i++) lengths.u32(0xffff_ffff)
    place.set(entryObject(2), concatBytes(newHeader('log', 0, lengths.finish()).bytes, new Uint8Array(100)))
    expect(await found()).toEqual(['log-corrupt'])
    await stillRestores()
  })

  it('with an entry far beyond the others', async () => {
    place.set(entryObject(9_000_000_000), place.get(entryObject(1))!)
    expect(await found()).toEqual(['log-corrupt', 'log-gap'])
    await stillRestores()
  })

  it('with a snapshot that is no record', async () => {
    forger.appendRaw(1, true, undefined, '{"id":"x"}')
    expect(await found()).toEqual(['snapshot-malformed'])
    await stillRestores()
  })

  it('with a critical entry of an unknown kind: reading works, writing is refused', async () => {
    forger.appendRaw(99, true)
    await stillRestores()
    expect(await found()).toEqual([])
    expect(await writes()).toBe('KLOSET_VERSION')
  })

  it('with an entry of an unknown kind that is not critical: both work', async () => {
    forger.appendRaw(99, false)
    await stillRestores()
    expect(await writes()).toBe('done')
  })

  it('with checkpoints that are garbage, of another log, or ahead of it', async () => {
    place.set(checkpointObject(1), noise(500, 1))
    place.set(checkpointObject(7), noise(50, 2))
    expect(await found()).toEqual(['checkpoint-corrupt'])
    await stillRestores()
  })
})

describe('key slot', () => {
  const passphrase = { passphrase: 'correct horse' }
  let slot: string
  beforeEach(async () => {
    place = placeOf()
    await createAt(place, passphrase, { argon2: { memoryKiB: 8192, passes: 1 } })
    slot = [...place.keys()].find((name) => /^keys\/[0-9a-f]{32}$/.test(name))!
  })

  it.each<[string, object]>([
    ['terabytes of memory', { memoryKiB: 2 ** 40 }],
    ['a million passes', { passes: 1_000_000 }],
    ['too much of both', { memoryKiB: 1024 * 1024, passes: 16 }],
    ['hardly any', { memoryKiB: 8 }],
    ['no number', { memoryKiB: '65536' }],
  ])('that asks for %s is refused before anything is computed', async (_, costs) => {
    const [line, ...rest] = new TextDecoder().decode(place.get(slot)).split('\n')
    const head = JSON.parse(line!) as { kdf: object }
    const bytes = utf8([JSON.stringify({ ...head, kdf: { ...head.kdf, ...costs } }), ...rest].join('\n'))
    for (const name of [slot, `${slot}.copy`]) place.set(name, bytes)
    expect(await outcome(openAt(place, passphrase))).toBe('KLOSET_KEY_CORRUPT')
  })

  it('that is huge or garbage', async () => {
    for (const bytes of [noise(100_000, 1), new Uint8Array(0), utf8('{}\n\n\n')]) {
      for (const name of [slot, `${slot}.copy`]) place.set(name, bytes)
      expect(await outcome(openAt(place, passphrase))).toBe('KLOSET_KEY_CORRUPT')
    }
  })
})

function footerOf(length: number, frames: readonly number[], records: number): Bytes {
  const about = { class: 'data', domain: 0, length, frames: Uint32Array.from(frames) } as const
  return encodeFooter({ ...about, records: records === 0 ? new Uint8Array(0) : recordBytes(records) })
}

/** Records of four bytes at the start of their frame. */
function recordBytes(count: number): Bytes {
  const records = new Uint8Array(40 * count)
  for (let i = 0; i < count; i++) records[40 * i + 36] = 4
  return records
}
