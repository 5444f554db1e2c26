import { SaxesParser } from 'saxes'

/** A property by its XML name. */
export interface PropertyName {
  readonly namespace: string
  readonly name: string
}

/** Which properties a PROPFIND asks for: all that there are, the names of all, or some. */
export type Wanted = { readonly all: true } | { readonly names: true } | { readonly some: readonly PropertyName[] }

/** The most properties that are answered; more cannot be meant seriously. */
const mostProperties = 200

/** A property that is asked for is at depth 3; the parser's work for each element grows with how deep it is. */
const mostDepth = 8

/**
 * What the body of a PROPFIND asks for (RFC 4918 §14.20). Undefined where it is not XML, or not that. Entities other than those of XML itself are errors, so that
 * nothing can be expanded.
 */
export function parsePropfind(body: string): Wanted | undefined {
  if (body.trim() === '') return { all: true }
  const parser = new SaxesParser({ xmlns: true })
  // Only what is directly in `propfind` and in its `prop` counts: nothing else is kept of how deep it is.
  let depth = 0
  let inPropfind = false
  let inProp = false
  const some: PropertyName[] = []
  let kind: 'all' | 'names' | 'some' | undefined
  parser.on('opentag', ({ uri, local }) => {
    const name = uri === 'DAV:' ? local : `{${uri}}${local}`
    depth++
    if (depth === 1) inPropfind = name === 'propfind'
    else if (depth === 2) inProp = inPropfind && name === 'prop'
    if (depth === 2 && inPropfind) {
      if (name === 'allprop') kind ??= 'all'
      if (name === 'propname') kind ??= 'names'
      if (name === 'prop') kind ??= 'some'
    }
    if (depth === 3 && inProp && some.length < mostProperties) some.push({ namespace: uri, name: local })
    if (depth > mostDepth) throw new Error('it is too deep')
  })
  parser.on('closetag', () => depth--)
  try {
    // Without a handler of its own it throws at the first error.
    parser.write(body).close()
  } catch {
    return undefined
  }
  if (kind === 'some') return { some }
  return kind === undefined ? undefined : kind === 'all' ? { all: true } : { names: true }
}
