import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { missingForSsh } from '../../../testing/servers/sshd.js'
import { isAbout, judge, knownHostLine, knownKinds, knownName, parseKnownHosts } from '../src/hosts/known-hosts.js'
import { matchesPattern } from '../src/hosts/pattern.js'
import { fingerprintOf } from '../src/hosts/trust.js'

/** A key that is none, in the format of one. */
function keyOf(kind: string, seed: number): Buffer {
  const part = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  return Buffer.concat([part(Buffer.from(kind)), part(Buffer.alloc(32, seed))])
}

const one = keyOf('ssh-ed25519', 1)
const other = keyOf('ssh-ed25519', 2)
const rsa = keyOf('ssh-rsa', 3)
const line = (hosts: string, key: Buffer, marker = ''): string =>
  `${marker}${hosts} ${key.subarray(4, 4 + key[3]!).toString()} ${key.toString('base64')} a comment\n`
const verdict = (text: string, host: string, port: number, key: Buffer): string =>
  judge(parseKnownHosts(text), host, port, key)

describe('known hosts', () => {
  test('are called with their port where that is not 22', () => {
    expect(knownName('NAS', 22)).toBe('nas')
    expect(knownName('nas', 2222)).toBe('[nas]:2222')
    expect(knownName('::1', 22)).toBe('::1')
  })

  test('are known by any of their keys, and have changed where they show another one', () => {
    const text = line('nas', one) + line('nas', rsa)
    expect(verdict(text, 'nas', 22, one)).toBe('known')
    expect(verdict(text, 'NAS', 22, rsa)).toBe('known')
    expect(verdict(text, 'nas', 22, other)).toBe('changed')
    expect(verdict(text, 'nas.lan', 22, one)).toBe('unknown')
  })

  test('have changed where they show a key of a kind they are not known by', () => {
    expect(verdict(line('nas', rsa), 'nas', 22, one)).toBe('changed')
  })

  test('with another port are another host, unless the key is the same', () => {
    const text = line('nas', one)
    expect(verdict(text, 'nas', 2222, one)).toBe('known')
    expect(verdict(text, 'nas', 2222, other)).toBe('unknown')
    expect(verdict(line('[nas]:2222', one), 'nas', 22, one)).toBe('unknown')
    expect(verdict(line('[nas]:2222', one), 'nas', 2222, other)).toBe('changed')
  })

  test('match patterns and what is excluded from them', () => {
    const text = line('*.lan,!bad.lan,10.0.0.?', one)
    expect(verdict(text, 'nas.lan', 22, one)).toBe('known')
    expect(verdict(text, 'bad.lan', 22, one)).toBe('unknown')
    expect(verdict(text, '10.0.0.7', 22, one)).toBe('known')
    expect(verdict(text, '10.0.0.17', 22, one)).toBe('unknown')
    expect(verdict(line('!nas', one), 'nas', 22, one)).toBe('unknown')
  })

  test('are refused with a revoked key, whatever else is there', () => {
    const text = line('nas', one) + line('*', one, '@revoked ')
    expect(verdict(text, 'nas', 22, one)).toBe('revoked')
    expect(verdict(text, 'nas', 2222, one)).toBe('revoked')
    expect(verdict(line('*', one, '@revoked '), 'nas', 22, other)).toBe('unknown')
    expect(verdict(line('nas', one) + line('nas', other, '@revoked '), 'nas', 22, one)).toBe('known')
  })

  test('are not known by the key of an authority', () => {
    expect(verdict(line('*', one, '@cert-authority '), 'nas', 22, one)).toBe('unknown')
    expect(verdict(line('*', one, '@other '), 'nas', 22, one)).toBe('unknown')
  })

  test('are asked first for the kinds of keys they are known by', () => {
    const lines = parseKnownHosts(
      line('nas', rsa) + line('[nas]:2222', one) + line('*', other, '@revoked ') + line('x', keyOf('ssh-dss', 1)),
    )
    expect(knownKinds(lines, 'nas', 22)).toEqual(new Set(['ssh-rsa']))
    expect(knownKinds(lines, 'nas', 2222)).toEqual(new Set(['ssh-rsa', 'ssh-ed25519']))
  })

  test('are hidden by hashes', () => {
    const hashed = knownHostLine('[nas]:2222', one, true)
    expect(hashed).toMatch(/^\|1\|[^|]+\|[^| ]+ ssh-ed25519 /)
    expect(verdict(hashed, 'nas', 2222, one)).toBe('known')
    expect(verdict(hashed, 'nas', 2222, other)).toBe('changed')
    expect(verdict(hashed, 'nas', 22, one)).toBe('unknown')
  })

  test('are read from any text without failing, and garbage makes nobody known', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, host) => {
        expect(verdict(text, host, 22, one)).toBe('unknown')
      }),
    )
    for (const garbage of ['nas', 'nas ssh-ed25519', 'nas ssh-ed25519 %%%', '# nas ssh-ed25519 AAAA', '|1|x ssh-rsa A'])
      expect(parseKnownHosts(garbage).filter(({ key }) => key.length > 40)).toEqual([])
    expect(parseKnownHosts(`nas ssh-rsa ${one.toString('base64')}`)).toEqual([])
  })
})

test('patterns match as regular expressions of the same meaning do', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.') })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?') })
  fc.assert(
    fc.property(text, pattern, (name, of) => {
      const twin = new RegExp(`^${of.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`)
      expect(matchesPattern(name, of)).toBe(twin.test(name))
    }),
    { numRuns: 1000 },
  )
})

describe.skipIf(missingForSsh() !== undefined)('as ssh-keygen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kloset-known-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'known_hosts')

  /** The lines, counted from 1, that ssh-keygen finds to be about a host. */
  function foundByKeygen(name: string): number[] {
    try {
      const output = execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8', stdio: 'pipe' })
      return Array.from(output.matchAll(/^# Host .* found: line (\d+)/gm), ([, number]) => Number(number))
    } catch {
      return []
    }
  }

  const segment = fc.constantFrom('nas', 'a', 'b', 'lan', '10')
  const host = fc.array(segment, { minLength: 1, maxLength: 2 }).map((parts) => parts.join('.'))
  const target = fc.tuple(host, fc.constantFrom(22, 22, 2222))
  const named = target.map(([name, port]) => knownName(name, port))
  const patterned = fc.oneof(
    named,
    host.map((name) => name.replace('a', '*')),
    host.map((name) => `!${name}`),
    fc.constantFrom('*', '[*]:2222', '?', 'N?S'),
  )
  const hosts = fc.array(patterned, { minLength: 1, maxLength: 3 }).map((patterns) => patterns.join(','))
  const marker = fc.constantFrom('', '', '', '@revoked ', '@cert-authority ')
  const entry = fc.tuple(marker, hosts).map(([mark, names]) => line(names, one, mark))
  const files = fc.array(fc.oneof(entry, fc.constantFrom('# a comment\n', '\n')), { maxLength: 6 })

  test('finds the same lines, also when it has hashed the names', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(files, target, ([...lines], [name, port]) => {
        const called = knownName(name, port)
        const compare = (): void => {
          const text = readFileSync(file, 'utf8').split('\n')
          const found = text.flatMap((each, at) =>
            parseKnownHosts(each).some((known) => isAbout(known, called)) ? [at + 1] : [],
          )
          expect(found).toEqual(foundByKeygen(called))
        }
        writeFileSync(file, lines.join(''))
        compare()
        try {
          execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' })
          compare()
        } catch {
          // It does not hash files it finds fault with.
        }
      }),
      { numRuns: 60 },
    )
  })

  test('removes what was added, plain and hashed', () => {
    for (const hashed of [false, true]) {
      const text = knownHostLine('[nas.lan]:2222', one, hashed) + knownHostLine('other', one, hashed)
      writeFileSync(file, text)
      execFileSync('ssh-keygen', ['-R', '[nas.lan]:2222', '-f', file], { stdio: 'pipe' })
      const left = readFileSync(file, 'utf8')
      expect(verdict(left, 'nas.lan', 2222, one)).toBe('unknown')
      expect(verdict(left, 'other', 22, one)).toBe('known')
    }
  })

  test('prints the same fingerprint', () => {
    writeFileSync(file, line('nas', one))
    expect(execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' })).toContain(fingerprintOf(one))
  })
})
