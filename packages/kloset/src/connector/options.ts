import { KlosetError } from '../errors.js'
import type { Option, OptionSchema } from './contract.js'

/** A value of an option. */
export type OptionValue = string | number | boolean

/** The places where values of options come from; an earlier one wins. */
export interface OptionSources {
  /** What the caller gave: values, or their text. */
  readonly given: Readonly<Record<string, OptionValue | undefined>>
  /** The password in the location's URL, for the option `password`. */
  readonly password: string | undefined
  readonly query: URLSearchParams
  /** Environment variables, for options that name one. An empty one counts as absent. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The values of a connector's options: given, from the URL, from the environment, or the default, in this order; text is read as
 * what the option is.
 * @throws KlosetError KLOSET_CONNECTOR for a name the connector does not have, a value that does not fit, and a required one that is
 * missing. A secret's value is never part of it.
 */
export function fillOptions(
  connector: string,
  schema: OptionSchema,
  sources: OptionSources,
): Record<string, OptionValue | undefined> {
  const { given, password, query, env } = sources
  for (const name of [...Object.keys(given), ...query.keys()])
    if (!Object.hasOwn(schema, name)) throw unknown(connector, name, schema)
  if (password !== undefined && !Object.hasOwn(schema, 'password')) {
    throw new KlosetError(
      'KLOSET_CONNECTOR',
      `the location has a password, but the connector ${connector} takes none`,
      {
        context: { connector },
      },
    )
  }
  const values: [string, OptionValue | undefined][] = Object.entries(schema).map(([name, option]) => {
    const fromUrl = name === 'password' && password !== undefined ? password : (query.get(name) ?? undefined)
    const fromEnv = option.env === undefined ? undefined : env[option.env] || undefined
    const value = given[name] ?? fromUrl ?? fromEnv ?? option.default
    if (value !== undefined) return [name, read(connector, name, option, value)]
    if (option.required) throw missing(connector, name, option)
    return [name, undefined]
  })
  return Object.fromEntries(values)
}

/** The parts of a query that are no secrets, and so may be shown. */
export function openQuery(schema: OptionSchema, query: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => Object.hasOwn(schema, name) && !schema[name]!.secret))
}

function read(connector: string, name: string, option: Option, value: OptionValue): OptionValue {
  const typed = readers[option.type](value)
  if (typed === undefined) throw unfit(connector, name, option, value, `must be ${kinds[option.type]}`)
  if (option.oneOf !== undefined && !option.oneOf.includes(String(typed))) {
    throw unfit(connector, name, option, value, `must be one of ${option.oneOf.join(', ')}`)
  }
  return typed
}

const kinds: Readonly<Record<Option['type'], string>> = {
  string: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
}

const readers: Readonly<Record<Option['type'], (value: OptionValue) => OptionValue | undefined>> = {
  string: (value) => (typeof value === 'boolean' ? undefined : String(value)),
  integer: (value) => {
    const number = typeof value === 'string' && /^[+-]?\d+$/.test(value.trim()) ? Number(value) : value
    return Number.isSafeInteger(number) ? number : undefined
  },
  boolean: (value) => {
    if (typeof value === 'boolean') return value
    const text = String(value).toLowerCase()
    return ['true', 'yes', 'on', '1'].includes(text)
      ? true
      : ['false', 'no', 'off', '0'].includes(text)
        ? false
        : undefined
  },
}

function unfit(connector: string, name: string, option: Option, value: OptionValue, must: string): KlosetError {
  const is = option.secret ? '' : `, not ${JSON.stringify(value)}`
  return new KlosetError('KLOSET_CONNECTOR', `the option ${name} of the connector ${connector} ${must}${is}`, {
    hint: `${name}: ${option.describe}`,
    context: { connector, option: name },
  })
}

function missing(connector: string, name: string, option: Option): KlosetError {
  const env = option.env === undefined ? '' : `, or set ${option.env}`
  return new KlosetError('KLOSET_CONNECTOR', `the connector ${connector} needs the option ${name}`, {
    hint: `Give ${name}${env}: ${option.describe}`,
    context: { connector, option: name },
  })
}

function unknown(connector: string, name: string, schema: OptionSchema): KlosetError {
  const known = Object.keys(schema)
  return new KlosetError('KLOSET_CONNECTOR', `the connector ${connector} has no option ${name}`, {
    hint: known.length === 0 ? 'It has no options.' : `It has: ${known.join(', ')}.`,
    context: { connector, option: name },
  })
}
