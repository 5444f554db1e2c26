import { describe, expect, it } from 'vitest'
import { membersOf, missing, sectionsOf } from '../error-pages.mjs'

describe('error pages', () => {
  it('read the codes that the sources declare', () => {
    const source = "export type Code =\n  // A group.\n  | 'KLOSET_A'\n  | 'b-c'\n\nconst other = 'KLOSET_NOT_ONE'\n"
    expect(membersOf('Code', source)).toEqual(['KLOSET_A', 'b-c'])
    expect(() => membersOf('Code', 'export {}')).toThrow('any more')
  })

  it('read the sections of one part of the page', () => {
    const page =
      '# Title\n\n## Errors\n\n### KLOSET_A\n\ntext\n\n### `KLOSET_B`\n\n## Findings of a check\n\n### pack-corrupt\n'
    expect(sectionsOf(page, 'Errors')).toEqual(['KLOSET_A', 'KLOSET_B'])
    expect(sectionsOf(page, 'Findings of a check')).toEqual(['pack-corrupt'])
    expect(() => sectionsOf(page, 'Nothing')).toThrow('no part')
  })

  it('tell what is missing', () => {
    expect(missing(['a', 'b'], ['b', 'c'])).toEqual(['a'])
  })
})
