import { describe, expect, it } from 'vitest'
import { registriesIn } from '../registry-names.mjs'

describe('registry names', () => {
  it('are found wherever they stand', () => {
    const host = ['registry.', 'npmjs', '.org'].join('')
    expect(registriesIn('pnpm-lock.yaml', `a: 1\ntarball: https://${host}/x.tgz`)).toHaveLength(1)
    expect(registriesIn('.npmrc', '@scope:registry=https://packages.example/')).toHaveLength(1)
  })

  it('are not seen where there are none', () => {
    expect(registriesIn('docs/registry.md', 'the registry = a list of connectors')).toEqual([])
    expect(registriesIn('.npmrc', 'save-exact=true')).toEqual([])
  })
})
