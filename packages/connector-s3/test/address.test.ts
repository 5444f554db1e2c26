import { parseLocation } from 'kloset/connector'
import { describe, expect, test } from 'vitest'
import { addressOf, targetOf } from '../src/address.js'

type Given = Partial<Parameters<typeof addressOf>[1]>

/** The URL of an object `key` of a location, and of the bucket. */
function urlOf(at: string, given: Given = {}, env = {}, region = 'eu-west-1'): string {
  const settings = { endpoint: undefined, tls: undefined, 'path-style': undefined, ...given }
  const address = addressOf(parseLocation(at).location, settings, env)
  const { hostHeader, path } = targetOf(address, address.region ?? region, `${address.prefix}key`)
  return `${address.secure ? 'https' : 'http'}://${hostHeader}${path}`
}

describe('a location means', () => {
  const meanings: [string, Given, Record<string, string>, string][] = [
    ['s3://bucket', {}, {}, 'https://bucket.s3.eu-west-1.amazonaws.com/key'],
    ['s3://bucket/', {}, {}, 'https://bucket.s3.eu-west-1.amazonaws.com/key'],
    ['s3://bucket/some//prefix/', {}, {}, 'https://bucket.s3.eu-west-1.amazonaws.com/some/prefix/key'],
    ['s3://bucket/a%20b', {}, {}, 'https://bucket.s3.eu-west-1.amazonaws.com/a%20b/key'],
    ['s3://s3.eu-central-1.amazonaws.com/bucket', {}, {}, 'https://bucket.s3.eu-central-1.amazonaws.com/key'],
    ['s3://s3.cn-north-1.amazonaws.com.cn/bucket', {}, {}, 'https://bucket.s3.cn-north-1.amazonaws.com.cn/key'],
    ['s3://s3.amazonaws.com/bucket', {}, {}, 'https://bucket.s3.eu-west-1.amazonaws.com/key'],
    [
      's3://bucket',
      { endpoint: 'https://s3.dualstack.eu-west-1.amazonaws.com' },
      {},
      'https://s3.dualstack.eu-west-1.amazonaws.com/bucket/key',
    ],
    ['s3://bucket', { 'path-style': true }, {}, 'https://s3.eu-west-1.amazonaws.com/bucket/key'],
    ['s3://Odd_Bucket', {}, {}, 'https://s3.eu-west-1.amazonaws.com/Odd_Bucket/key'],
    ['s3://minio.plakar.io:9001/mybackups', {}, {}, 'https://minio.plakar.io:9001/mybackups/key'],
    ['s3://minio.example/mybackups/x', {}, {}, 'https://minio.example/mybackups/x/key'],
    ['s3://minio:9000/mybackups', { tls: false }, {}, 'http://minio:9000/mybackups/key'],
    ['s3://minio:9000/b', { 'path-style': false }, {}, 'https://b.minio:9000/key'],
    ['s3://localhost/mybackups', {}, {}, 'http://localhost/mybackups/key'],
    ['s3://127.0.0.1:9000/mybackups', {}, {}, 'http://127.0.0.1:9000/mybackups/key'],
    ['s3://127.0.0.1:9000/mybackups', { tls: true }, {}, 'https://127.0.0.1:9000/mybackups/key'],
    ['s3://[::1]:9000/mybackups', {}, {}, 'http://[::1]:9000/mybackups/key'],
    ['s3://s3.localhost:80/b', { 'path-style': false }, {}, 'http://b.s3.localhost/key'],
    ['s3://10.0.0.7/mybackups', {}, {}, 'https://10.0.0.7/mybackups/key'],
    ['s3://bucket/x', { endpoint: 'https://s3.example.com' }, {}, 'https://s3.example.com/bucket/x/key'],
    ['s3://dotted.bucket', { endpoint: 's3.example.com:8443' }, {}, 'https://s3.example.com:8443/dotted.bucket/key'],
    ['s3://bucket', { endpoint: 'http://nas:9000/s3/' }, {}, 'http://nas:9000/s3/bucket/key'],
    ['s3://bucket', { endpoint: 'http://nas:9000', tls: true }, {}, 'https://nas:9000/bucket/key'],
    ['s3://bucket', {}, { AWS_ENDPOINT_URL: 'http://nas:9000' }, 'http://nas:9000/bucket/key'],
    ['s3://bucket', {}, { AWS_ENDPOINT_URL: 'http://a:1', AWS_ENDPOINT_URL_S3: 'http://b:2' }, 'http://b:2/bucket/key'],
    ['s3://host.example/bucket', {}, { AWS_ENDPOINT_URL: 'http://nas:9000' }, 'https://host.example/bucket/key'],
  ]
  for (const [at, given, env, url] of meanings)
    test(`${at} ${JSON.stringify({ ...given, ...env })} → ${url}`, () => expect(urlOf(at, given, env)).toBe(url))

  test('the host of its region', () => {
    expect(urlOf('s3://bucket', {}, {}, 'cn-north-1')).toBe('https://bucket.s3.cn-north-1.amazonaws.com.cn/key')
    expect(urlOf('s3://bucket', {}, {}, 'eusc-de-east-1')).toBe('https://bucket.s3.eusc-de-east-1.amazonaws.eu/key')
  })
})

test('a location that does not come out is refused, with what to write instead', () => {
  const wrong: [string, Given][] = [
    ['s3://', {}],
    ['s3://minio.example', {}],
    ['s3://minio.example:9000/', {}],
    ['s3://minio.example:9000/bucket', { endpoint: 'https://other' }],
    ['s3://bucket', { endpoint: 'ftp://other' }],
    ['s3://bucket', { endpoint: 'https://user:secret@other' }],
    ['s3://bucket', { endpoint: 'https://' }],
    ['s3://bucket/x%2F..%2Fy', {}],
  ]
  for (const [at, given] of wrong) {
    let error: unknown
    try {
      urlOf(at, given)
    } catch (thrown) {
      error = thrown
    }
    expect(error, at).toMatchObject({ code: 'KLOSET_CONNECTOR', hint: expect.any(String) })
    expect(String(error)).not.toContain('secret')
  }
})
