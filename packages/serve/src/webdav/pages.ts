import { hrefOf } from './addresses.js'
import { textXml } from './multistatus.js'
import type { Resource } from './resources.js'

/** The beginning of a page that lists a folder for people with a browser. */
export function pageStart(names: readonly string[]): string {
  const title = names.length === 0 ? 'Snapshots' : (names.at(-1) ?? '')
  const above = names.map((name, index) => link(names.slice(0, index + 1), name, true))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${textXml(title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }
h1 { font-size: 1.1rem } td { padding: 0 1.5rem 0 0; white-space: pre } td + td { text-align: right; font-variant-numeric: tabular-nums }
</style></head><body>
<h1>${[link([], 'Snapshots', true), ...above].join(' / ')}</h1>
<table>
`
}

/** The line of a folder or file. */
export function pageLine({ names, folder, file, modified }: Resource): string {
  const name = `${names.at(-1)}${folder ? '/' : ''}`
  const size = file === undefined ? '' : file.size.toLocaleString('en')
  const time = modified.toISOString().slice(0, 16).replace('T', ' ')
  return `<tr><td>${link(names, name, folder)}</td><td>${size}</td><td>${time}</td></tr>\n`
}

/** The end of the page. */
export const pageEnd = '</table>\n</body></html>\n'

function link(names: readonly string[], text: string, folder: boolean): string {
  return `<a href="${hrefOf(names, { folder })}">${textXml(text)}</a>`
}
