import fc from 'fast-check'
import { expect, it } from 'vitest'
import { checkLabels, mostTags, tagsLike } from '../../src/edit/labels.js'

it('keeps the tags of another program, as far as a snapshot can have them', () => {
  expect(tagsLike(['daily', ' of ada ', 'a,b', 'two\nlines', '', 'daily'])).toEqual([
    'daily',
    'of ada',
    'a-b',
    'two-lines',
  ])
  expect(tagsLike(['é'.repeat(100)])).toEqual(['é'.repeat(64)])
  expect(tagsLike(Array.from({ length: 200 }, (_, i) => `tag ${i}`))).toHaveLength(mostTags)
})

it('gives only tags that a snapshot can have', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 300 })), (tags) => {
      checkLabels({ tags: tagsLike(tags) })
    }),
    { numRuns: 20 },
  )
})
