import { describe, expect, test } from 'vitest'
import { encodePath, queryOf } from '../src/encoding.js'
import { emptyPayload, Signer, sha256 } from '../src/signing.js'

// Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header", the examples at its end.
const keys = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const host = 'examplebucket.s3.amazonaws.com'
const now = new Date('2013-05-24T00:00:00Z')
const text = 'Welcome to Amazon S3.'

const examples = {
  'GET of a range': {
    method: 'GET',
    path: '/test.txt',
    query: '',
    headers: { host, range: 'bytes=0-9', 'x-amz-content-sha256': emptyPayload },
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  'PUT with a storage class': {
    method: 'PUT',
    path: encodePath('/test$file.text'),
    query: '',
    headers: {
      host,
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': sha256(text),
    },
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  'GET of a subresource': {
    method: 'GET',
    path: '/',
    query: queryOf({ lifecycle: '' }),
    headers: { host, 'x-amz-content-sha256': emptyPayload },
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  'GET of a listing': {
    method: 'GET',
    path: '/',
    query: queryOf({ prefix: 'J', 'max-keys': '2', 'start-after': undefined }),
    headers: { host, 'x-amz-content-sha256': emptyPayload },
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
}

describe('signs as Amazon’s examples do', () => {
  for (const [name, { signature, ...request }] of Object.entries(examples))
    test(name, () => {
      const { authorization } = new Signer('us-east-1').sign(request, keys, now)
      const signed = ['x-amz-date', ...Object.keys(request.headers)].sort().join(';')
      expect(authorization).toBe(
        `AWS4-HMAC-SHA256 Credential=${keys.accessKey}/20130524/us-east-1/s3/aws4_request,` +
          `SignedHeaders=${signed},Signature=${signature}`,
      )
    })
})

test('a signer goes on with other keys and on another day', () => {
  const { signature, ...request } = examples['GET of a range']
  const signer = new Signer('us-east-1')
  const others = { ...keys, secretKey: 'another' }
  for (const [with_, at] of [
    [others, now],
    [keys, new Date('2013-05-25T00:00:00Z')],
  ] as const)
    expect(signer.sign(request, with_, at).authorization).not.toContain(signature)
  expect(signer.sign(request, keys, now).authorization).toContain(signature)
})

test('the token of temporary keys is sent and signed', () => {
  const { signature, ...request } = examples['GET of a range']
  const headers = new Signer('us-east-1').sign(request, { ...keys, sessionToken: 'a token' }, now)
  expect(headers['x-amz-security-token']).toBe('a token')
  expect(headers.authorization).toContain(';x-amz-security-token,')
  expect(headers.authorization).not.toContain(signature)
})

test('paths and parameters are encoded as the signature wants it', () => {
  expect(encodePath("/a b/ü/(x)!*'+&=~-._/%")).toBe('/a%20b/%C3%BC/%28x%29%21%2A%27%2B%26%3D~-._/%25')
  expect(queryOf({ b: 'x/y', a: '', 'A-b': '+ ' })).toBe('A-b=%2B%20&a=&b=x%2Fy')
})
