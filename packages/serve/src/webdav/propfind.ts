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

/**
 * What the body of a PROPFIND asks for (RFC 4918 §14.20). Undefined where it is not XML, or not that. Entities other than those of XML itself are errors, so that
 * nothing can be expanded.
 */
export function parsePropfind(body: string): Wanted | undefined {
  if (body.trim() === '') return { all: true }
  const parser = new SaxesParser({ xmlns: true })
  const path: string[] = []
  const some: PropertyName[] = []
  let kind: 'all' | 'names' | 'some' | undefined
  parser.on('opentag', ({ uri, local }) => {
    const inside = path.join('/')
    const name = uri === 'DAV:' ? local : `{${uri}}${local}`
    path.push(name)
    if (inside === 'propfind') {
      if (name === 'allprop') kind ??= 'all'
      if (name === 'propname') kind ??= 'names'
      if (name === 'prop') kind ??= 'some'
    }
    if (inside === 'propfind/prop' && some.length < mostProperties) some.push({ namespace: uri, name: local })
  })
  parser.on('closetag', () => path.pop())
  try {
    // Without a handler of its own it throws at the first error.
    parser.write(body).close()
  } catch {
    return undefined
  }
  if (kind === 'some') return { some }
  return kind === undefined ? undefined : kind === 'all' ? { all: true } : { names: true }
}
