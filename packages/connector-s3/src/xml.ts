/**
 * The text of the first element `name`, or undefined where there is none. S3's answers are flat: no element that is looked for holds
 * one of its own name, and there are no comments or CDATA sections.
 */
export function textIn(xml: string, name: string): string | undefined {
  const inner = new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1]
  return inner === undefined ? undefined : unescapeXml(inner)
}

/** What is in each element `name`, unread. */
export function elementsIn(xml: string, name: string): string[] {
  return Array.from(xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>`, 'gs')), (match) => match[1]!)
}

/** The name of the outermost element, without what is in front of a colon; undefined for what is no XML. */
export function rootOf(xml: string): string | undefined {
  return /^\s*(?:<\?xml[^>]*\?>)?\s*<(?:[\w-]+:)?([A-Za-z]\w*)[\s>/]/.exec(xml)?.[1]
}

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
