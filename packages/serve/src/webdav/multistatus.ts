import { hrefOf } from './addresses.js'
import type { PropertyName, Wanted } from './propfind.js'
import type { Resource } from './resources.js'

/** A property that a resource may have: its content as XML; undefined where it has none. */
interface Property extends PropertyName {
  of(resource: Resource): string | undefined
}

const dav = 'DAV:'

// RFC 4918 §15; and whether a file can be run, which davfs2 asks in Apache's words.
const properties: readonly Property[] = [
  { namespace: dav, name: 'resourcetype', of: ({ folder }) => (folder ? '<D:collection/>' : '') },
  { namespace: dav, name: 'displayname', of: ({ names }) => textXml(names.at(-1) ?? 'kloset') },
  { namespace: dav, name: 'getlastmodified', of: ({ modified }) => modified.toUTCString() },
  { namespace: dav, name: 'creationdate', of: ({ created }) => created?.toISOString().replace(/\.\d+Z$/, 'Z') },
  { namespace: dav, name: 'getcontentlength', of: ({ file }) => file && `${file.size}` },
  { namespace: dav, name: 'getcontenttype', of: ({ file }) => file && textXml(file.type) },
  { namespace: dav, name: 'getetag', of: ({ file }) => file?.etag },
  { namespace: dav, name: 'supportedlock', of: () => '' },
  {
    namespace: 'http://apache.org/dav/props/',
    name: 'executable',
    of: ({ file }) => file && (file.executable ? 'T' : 'F'),
  },
]

/** The beginning and the end of an answer about any number of resources. */
export const multistatusStart = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
export const multistatusEnd = '</D:multistatus>\n'

/** The part of the answer that is about one resource. */
export function responseXml(resource: Resource, wanted: Wanted): string {
  const href = `<D:href>${hrefOf(resource.names, resource)}</D:href>`
  return `<D:response>${href}${propstats(resource, wanted)}</D:response>\n`
}

function propstats(resource: Resource, wanted: Wanted): string {
  const has: string[] = []
  const hasNot: string[] = []
  if ('some' in wanted) {
    for (const name of wanted.some) {
      const property = properties.find((each) => each.name === name.name && each.namespace === name.namespace)
      const content = property?.of(resource)
      if (content === undefined) hasNot.push(element(name, ''))
      else has.push(element(name, content))
    }
  } else {
    for (const property of properties) {
      const content = property.of(resource)
      if (content !== undefined) has.push(element(property, 'names' in wanted ? '' : content))
    }
  }
  return `${has.length > 0 || hasNot.length === 0 ? propstat(has, '200 OK') : ''}${hasNot.length > 0 ? propstat(hasNot, '404 Not Found') : ''}`
}

function propstat(elements: readonly string[], status: string): string {
  return `<D:propstat><D:prop>${elements.join('')}</D:prop><D:status>HTTP/1.1 ${status}</D:status></D:propstat>`
}

function element({ namespace, name }: PropertyName, content: string): string {
  const [tag, attribute] = namespace === dav ? [`D:${name}`, ''] : [name, ` xmlns="${textXml(namespace)}"`]
  return content === '' ? `<${tag}${attribute}/>` : `<${tag}${attribute}>${content}</${tag}>`
}

/** Text as it stands in XML and HTML, in elements and attributes; what XML cannot have at all is shown as U+FFFD. */
export function textXml(text: string): string {
  return text.replace(impossible, '\ufffd').replace(/[&<>"']/g, (character) => escapes[character]!)
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

// XML 1.0 §2.2. Carriage returns and line feeds would become others when they are read.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in it.
const impossible = /[\u0000-\u001f\u007f\ufffe\uffff]|\p{Surrogate}/gu
