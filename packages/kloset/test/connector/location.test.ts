import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLocation, withQuery } from '../../src/connector/index.js'

const refused = expect.objectContaining({ code: 'KLOSET_CONNECTOR' })

describe('location', () => {
  it('is a URL', () => {
    const { location, secrets } = parseLocation('s3://minio.example:9000/bucket/pre%20fix?region=eu&tls=false')
    expect(location).toMatchObject({
      protocol: 's3',
      host: 'minio.example',
      port: 9000,
      user: undefined,
      path: '/bucket/pre fix',
    })
    expect([...location.query]).toEqual([
      ['region', 'eu'],
      ['tls', 'false'],
    ])
    expect(secrets.password).toBeUndefined()
  })

  it('is a plain path, as it was given', () => {
    const paths = [
      '/srv/backup',
      'backup',
      './a:b',
      '../x',
      'C:\\backup',
      'c:/backup',
      '\\\\server\\share',
      'a b',
      'dir/s3:x',
      '~/x',
      '100%',
      'x?y#z',
    ]
    for (const path of paths) {
      const { location } = parseLocation(path)
      expect(location).toMatchObject({ protocol: 'fs', host: '', port: undefined, user: undefined, path })
      expect(location.toString()).toBe(path)
    }
  })

  it('is a path behind fs: and file:', () => {
    const paths: Record<string, string> = {
      'fs:relative/x': 'relative/x',
      'fs:/absolute': '/absolute',
      'fs:///absolute': '/absolute',
      'file:///a%20b': '/a b',
      'FILE://localhost/a': '/a',
      'file:///C:/x': 'C:/x',
      'fs:C:\\x': 'C:\\x',
      'fs:caf%E9': 'caf\udce9',
      'fs:s3:x': 's3:x',
    }
    for (const [text, path] of Object.entries(paths)) {
      const { location } = parseLocation(text)
      expect(location).toMatchObject({ protocol: 'fs', host: '', path })
      expect(parseLocation(location.toString()).location.path).toBe(path)
    }
    expect([...parseLocation('fs:/x?durable=false').location.query]).toEqual([['durable', 'false']])
    for (const text of ['file://server/x', 'fs:', 'fs://']) expect(() => parseLocation(text)).toThrow(refused)
  })

  it('has an IPv6 host without brackets, shown with them', () => {
    const { location } = parseLocation('sftp://me@[fe80::1]:2222/var')
    expect(location).toMatchObject({ host: 'fe80::1', port: 2222, user: 'me', path: '/var' })
    expect(location.toString()).toBe('sftp://me@[fe80::1]:2222/var')
  })

  it('never shows a password, or what is in the query', () => {
    const { location, secrets } = parseLocation('sftp://me:s%3Acret%40@nas/var?password=secret&key=secret')
    expect(secrets.password).toBe('s:cret@')
    for (const shown of [String(location), JSON.stringify(location)]) {
      expect(shown).not.toContain('cret')
    }
    expect(location.toString()).toBe('sftp://me@nas/var')
    expect(withQuery(location, new URLSearchParams({ depth: '3' })).toString()).toBe('sftp://me@nas/var?depth=3')
  })

  it('that cannot be read is refused without being repeated', () => {
    const texts = [
      '',
      's3:bucket/secret',
      'sftp://me:secret@[::1/x',
      'sftp://me:secret@host:port/x',
      'sftp://me:sec/ret@host/x',
      's3://bucket/secret#fragment',
      's3://bucket/secret%',
      's3://bucket/sec\nret',
    ]
    for (const text of texts) {
      try {
        parseLocation(text)
        expect.unreachable(text)
      } catch (error) {
        expect(error).toEqual(refused)
        expect(`${error} ${(error as { hint: string }).hint} ${JSON.stringify(error)}`).not.toMatch(/sec.?ret/)
      }
    }
  })

  it('can be read again from how it is shown', () => {
    const part = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .map((text) => text.replace(/[/\0]|^\.+$/g, '_'))
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 3 }),
        fc.option(part, { nil: undefined }),
        part,
        (segments, user, password) => {
          const path = segments.map((segment) => `/${encodeURIComponent(segment)}`).join('')
          const text = `sftp://${user === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`}host:22${path}`
          const { location, secrets } = parseLocation(text)
          expect(location).toMatchObject({
            user,
            host: 'host',
            port: 22,
            path: segments.map((segment) => `/${segment}`).join(''),
          })
          expect(secrets.password).toBe(user === undefined ? undefined : password)
          const again = parseLocation(location.toString())
          expect(again.location.path).toBe(location.path)
          expect(again.location.user).toBe(user)
          expect(again.secrets.password).toBeUndefined()
        },
      ),
    )
    const raw = parseLocation('sftp://h/caf%E9%20').location
    expect(raw.path).toBe('/caf\udce9 ')
    expect(parseLocation(raw.toString()).location.path).toBe(raw.path)
  })
})
