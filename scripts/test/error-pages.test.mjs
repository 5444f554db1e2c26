import { describe, expect, it } from 'vitest'
import { declaredCodes, missing, sectionsOf, yieldedFindings } from '../error-pages.mjs'

describe('error pages', () => {
  it('read the codes that the sources declare', () => {
    const source =
      "export type KlosetErrorCode =\n  // A group.\n  | 'KLOSET_A'\n  | 'KLOSET_B_C'\n\nconst other = 'KLOSET_NOT_ONE'\n"
    expect(declaredCodes(source)).toEqual(['KLOSET_A', 'KLOSET_B_C'])
    expect(() => declaredCodes('export {}')).toThrow('no longer declares')
  })

  it('read the sections of one part of the page', () => {
    const page =
      '# Title\n\n## Errors\n\n### KLOSET_A\n\ntext\n\n### `KLOSET_B`\n\n## Findings of a check\n\n### pack-corrupt\n'
    expect(sectionsOf(page, 'Errors')).toEqual(['KLOSET_A', 'KLOSET_B'])
    expect(sectionsOf(page, 'Findings of a check')).toEqual(['pack-corrupt'])
    expect(() => sectionsOf(page, 'Nothing')).toThrow('no part')
  })

  it('read the findings that a verifier yields', () => {
    expect(yieldedFindings("yield error('pack-corrupt', name); yield { code: 'log-gap' }; const x = 'word'")).toEqual([
      'pack-corrupt',
      'log-gap',
    ])
  })

  it('tell what is missing', () => {
    expect(missing(['a', 'b'], ['b', 'c'])).toEqual(['a'])
  })
})
