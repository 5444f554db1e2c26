// Answers come from a server that may be hostile: every search goes on where the one before ended, so that the time is proportional to the length.

/**
 * The text of the first element `name`, or undefined where there is none. S3's answers are flat: no element that is looked for holds
 * one of its own name, and there are no comments or CDATA sections.
 */
export function textIn(xml: string, name: string): string | undefined {
  for (let start = startOf(xml, name, 0); start !== undefined; start = startOf(xml, name, start)) {
    const end = xml.indexOf('<', start)
    if (end < 0) return undefined
    if (xml.startsWith(`</${name}>`, end)) return unescapeXml(xml.slice(start, end))
  }
  return undefined
}

/** What is in each element `name`, unread. */
export function elementsIn(xml: string, name: string): string[] {
  const close = `</${name}>`
  const found: string[] = []
  for (let start = startOf(xml, name, 0); start !== undefined; ) {
    const end = xml.indexOf(close, start)
    if (end < 0) break
    found.push(xml.slice(start, end))
    start = startOf(xml, name, end + close.length)
  }
  return found
}

/** Where the content of the next element `name` starts. */
function startOf(xml: string, name: string, from: number): number | undefined {
  const open = `<${name}`
  for (let at = xml.indexOf(open, from); at >= 0; at = xml.indexOf(open, at + open.length)) {
    const after = xml[at + open.length]
    if (after === '>') return at + open.length + 1
    if (after === undefined || !/\s/.test(after)) continue
    const end = xml.indexOf('>', at)
    return end < 0 ? undefined : end + 1
  }
  return undefined
}

/** The name of the outermost element, without what is in front of a colon; undefined for what is no XML. */
export function rootOf(xml: string): string | undefined {
  let rest = xml.trimStart()
  if (rest.startsWith('<?xml')) {
    const end = rest.indexOf('>')
    if (end < 0 || rest[end - 1] !== '?') return undefined
    rest = rest.slice(end + 1).trimStart()
  }
  return /^<(?:[\w-]+:)?([A-Za-z]\w*)[\s>/]/.exec(rest.slice(0, longestName))?.[1]
}

const longestName = 256

/** Text as it stands in XML. */
export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return named[name] ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
