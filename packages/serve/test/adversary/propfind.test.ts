import { expect, it } from 'vitest'
import { parsePropfind } from '../../src/webdav/propfind.js'

it('a body that is nested deeply is refused where it becomes too deep, whatever follows', () => {
  const depth = 6_000
  const namespace = 'x'.repeat(20_000)
  // What follows is no XML: whoever reads on would say so, after minutes.
  const nested = `<a xmlns="${namespace}">${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}</a>`
  expect(parsePropfind(nested)).toBeUndefined()
  expect(parsePropfind(`<propfind xmlns="DAV:"><prop>${'<a>'.repeat(depth)}`)).toBeUndefined()
})

it('only what is directly in prop is asked for', () => {
  const body = '<propfind xmlns="DAV:"><prop><a><b/></a><c/></prop><x><prop><d/></prop></x></propfind>'
  expect(parsePropfind(body)).toEqual({
    some: [
      { namespace: 'DAV:', name: 'a' },
      { namespace: 'DAV:', name: 'c' },
    ],
  })
  expect(parsePropfind('<x xmlns="DAV:"><prop><a/></prop></x>')).toBeUndefined()
})
