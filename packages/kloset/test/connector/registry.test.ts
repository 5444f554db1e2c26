import { describe, expect, it } from 'vitest'
import {
  type ConnectOptions,
  type Connector,
  type Context,
  type Location,
  type Options,
  Registry,
  type Storage,
} from '../../src/connector/index.js'

const schema = {
  password: { type: 'string', describe: 'The password.', secret: true, env: 'FTP_PASSWORD' },
  depth: { type: 'integer', describe: 'How deep.', default: 3 },
  tls: { type: 'boolean', describe: 'Encrypt.', env: 'FTP_TLS' },
  mode: { type: 'string', describe: 'Which mode.', oneOf: ['active', 'passive'], default: 'passive' },
  token: { type: 'string', describe: 'A token.', secret: true, oneOf: ['one', 'two'] },
} as const

const storage = { location: 'ftp://nas/' } as Storage
const calls: { at: Location; context: Context<typeof schema> }[] = []
const ftp: Connector<typeof schema> = {
  contract: 1,
  name: 'ftp',
  protocols: ['ftp', 'ftps'],
  options: schema,
  async storage(at, context) {
    calls.push({ at, context })
    return storage
  },
}
const other: Connector = { contract: 1, name: 'other-ftp', protocols: ['ftps'], options: {} }

describe('registry', () => {
  it('finds connectors by protocol', async () => {
    const registry = new Registry([ftp])
    expect(registry.protocols).toEqual(['ftp', 'ftps'])
    expect(await registry.find('ftps')).toBe(ftp)
    await expect(registry.find('s3')).rejects.toEqual(
      expect.objectContaining({ code: 'KLOSET_NO_CONNECTOR', hint: 'There are connectors for: ftp, ftps.' }),
    )
  })

  it('refuses two that claim one protocol, naming both', () => {
    const registry = new Registry([ftp, ftp])
    expect(() => registry.register(other)).toThrow(
      expect.objectContaining({
        code: 'KLOSET_CONNECTOR',
        message: 'two connectors claim the protocol ftps: ftp and other-ftp',
      }),
    )
    // What was there before still serves.
    expect(registry.protocols).toEqual(['ftp', 'ftps'])
  })

  it('refuses a connector of another contract, loaded or not', async () => {
    const version = expect.objectContaining({ code: 'KLOSET_VERSION' })
    expect(() => new Registry([{ ...ftp, contract: 2 as 1 }])).toThrow(version)
    let loaded = 0
    const load = async (): Promise<Connector> => {
      loaded++
      return { ...ftp, contract: 2 as 1 }
    }
    expect(() => new Registry([{ name: 'ftp', protocols: ['ftp'], contract: 2, load }])).toThrow(version)
    expect(loaded).toBe(0)
    await expect(new Registry([{ name: 'ftp', protocols: ['ftp'], contract: 1, load }]).find('ftp')).rejects.toEqual(
      version,
    )
  })

  it('loads a listed connector only when it is needed', async () => {
    let loaded = 0
    const listing = {
      name: 'ftp',
      protocols: ['ftp'],
      contract: 1,
      load: async () => {
        loaded++
        return ftp
      },
    }
    const registry = new Registry([listing])
    expect(loaded).toBe(0)
    expect((await registry.resolve('ftp://nas/x')).connector).toBe(ftp)
    expect(loaded).toBe(1)
  })

  it('fills options from what is given, the URL, the environment, defaults, in this order', async () => {
    const registry = new Registry([ftp])
    const env = { FTP_PASSWORD: 'from-env', FTP_TLS: 'true' }
    const at = 'ftp://me:from-url@nas/x?depth=5&mode=active'
    const values = async (text: string, how: Parameters<Registry['resolve']>[1] = {}): Promise<unknown> =>
      (await registry.resolve(text, how)).options
    expect(await values('ftp://nas')).toEqual({ depth: 3, mode: 'passive' })
    expect(await values('ftp://nas', { env })).toEqual({ depth: 3, mode: 'passive', password: 'from-env', tls: true })
    expect(await values(at, { env })).toEqual({ depth: 5, mode: 'active', password: 'from-url', tls: true })
    expect(await values(at, { env, options: { password: 'given', depth: 7, tls: false, mode: undefined } })).toEqual({
      depth: 7,
      mode: 'active',
      password: 'given',
      tls: false,
    })
    expect(await values('ftp://nas', { env: { FTP_PASSWORD: '' }, options: { depth: '0', tls: 'off' } })).toEqual({
      depth: 0,
      mode: 'passive',
      tls: false,
    })
  })

  it('takes secrets out of the location', async () => {
    const { location, options } = await new Registry([ftp]).resolve('ftp://me:pw@nas/x?token=one&depth=2')
    expect(options).toMatchObject({ password: 'pw', token: 'one', depth: 2 })
    expect([...location.query]).toEqual([['depth', '2']])
    expect(location.toString()).toBe('ftp://me@nas/x?depth=2')
  })

  it('refuses values that do not fit, and never repeats secrets', async () => {
    const registry = new Registry([ftp, { ...other, protocols: ['none'], name: 'none' }])
    const cases: [string, Record<string, string | number | boolean>, RegExp][] = [
      ['ftp://nas', { depth: 'deep' }, /depth.*whole number, not "deep"/],
      ['ftp://nas', { depth: 1.5 }, /depth.*whole number/],
      ['ftp://nas?depth=1e3', {}, /depth.*whole number/],
      ['ftp://nas', { tls: 'maybe' }, /tls.*true or false/],
      ['ftp://nas', { mode: 'other' }, /mode.*active, passive/],
      ['ftp://nas', { token: 'hunter2' }, /token.*one, two$/],
      ['ftp://nas', { password: true }, /password.*a text$/],
      ['ftp://nas?token=hunter2', {}, /token/],
      ['ftp://nas?dpeth=hunter2', {}, /no option dpeth/],
      ['ftp://nas', { constructor: 'hunter2' }, /no option constructor/],
      ['none://me:hunter2@nas', {}, /takes none/],
    ]
    for (const [at, options, message] of cases) {
      const error = await registry.resolve(at, { options }).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'KLOSET_CONNECTOR', message: expect.stringMatching(message) })
      expect(`${error} ${JSON.stringify(error)}`).not.toContain('hunter2')
    }
    const needs = {
      ...other,
      name: 'needs',
      options: { key: { type: 'string', describe: 'The key.', required: true, env: 'KEY' } },
    } as const
    await expect(new Registry([needs]).resolve('ftps://nas')).rejects.toMatchObject({
      message: 'the connector needs needs the option key',
      hint: 'Give key, or set KEY: The key.',
    })
  })

  it('opens a location as what its connector can be', async () => {
    const registry = new Registry([ftp])
    const how: ConnectOptions = {
      signal: new AbortController().signal,
      mode: 'read',
      log: () => {},
      memory: { get: async () => undefined, set: async () => {} },
      options: { depth: '4' },
      env: { FTP_TLS: 'yes' },
    }
    expect(await registry.storage('ftp://me:pw@nas/x', how)).toBe(storage)
    const { at, context } = calls.at(-1)!
    expect(at.toString()).toBe('ftp://me@nas/x')
    const options: Options<typeof schema> = context.options
    expect(options).toEqual({ password: 'pw', depth: 4, tls: true, mode: 'passive', token: undefined })
    expect(context).toMatchObject({ mode: 'read', signal: how.signal, memory: how.memory })
    expect('ask' in context).toBe(false)
    expect('env' in context).toBe(false)
    for (const role of ['source', 'destination'] as const) {
      await expect(registry[role]('ftp://me:pw@nas/x', how)).rejects.toMatchObject({
        code: 'KLOSET_UNSUPPORTED',
        message: `the connector ftp has no ${role}: ftp://me@nas/x cannot be used as one`,
      })
    }
  })
})
