import { expect, it } from 'vitest'
import { namePatterns } from '../../src/snapshot/names.js'

const matches = (glob: string, path: string): boolean =>
  namePatterns([glob], false).some((each) => each.matches(each.path ? path.split('/') : path.split('/').slice(-1)))

// With a regular expression that backtracks, each of these takes longer than anybody waits.
it.each([
  ['many stars against a long name', `${'*a'.repeat(30)}*z`, 'a'.repeat(60_000)],
  ['many stars between folders', `/${'**/a/'.repeat(12)}z`, `${'a/'.repeat(5_000)}a`],
  ['many classes', `${'*[ab]'.repeat(30)}*z`, 'ab'.repeat(30_000)],
])('%s comes to an end', (_, glob, path) => {
  expect(matches(glob, path)).toBe(false)
  expect(matches(glob.replace('z', 'a*'), path)).toBe(true)
})

it('a range that ends before it starts is refused', () => {
  for (const glob of ['[z-a]', 'a[9-0]*', '[!b-a]']) expect(() => namePatterns([glob], false)).toThrow(TypeError)
  for (const glob of ['[a-z]', '[]-a]', '[-z]', '[z-]', '[a-c-b]'])
    expect(() => namePatterns([glob], false)).not.toThrow()
})

it('braces that stand for too many patterns are refused', () => {
  expect(() => namePatterns(['{a,b}'.repeat(40)], false)).toThrow(TypeError)
  expect(() => namePatterns([`${'{'.repeat(5_000)}a,b${'}'.repeat(5_000)}`], false)).not.toThrow()
})

it.each([
  ['{one,other}.txt', ['one.txt', 'other.txt'], ['.txt', 'one,other.txt']],
  ['{a,b{c,d}}', ['a', 'bc', 'bd'], ['b', 'bcd']],
  ['a{b}', ['a{b}'], ['ab']],
  ['a{b,c', ['a{b,c'], ['ab']],
  ['a\\{b,c}', ['a{b,c}'], ['a{b']],
  ['{,x}y', ['y', 'xy'], ['x']],
])('%s is read as a shell does', (glob, names, others) => {
  for (const name of names) expect([name, matches(glob, name)]).toEqual([name, true])
  for (const name of others) expect([name, matches(glob, name)]).toEqual([name, false])
})
