// Holds docs/errors.md to the sources: every error code has a section there and every section a code; and every finding
// that the verifier can yield is explained too.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './run.mjs'

/** The strings of a union type, as in `export type KlosetErrorCode = 'A' | 'B'`, in the text of a source file. */
export function membersOf(type, source) {
  const union = new RegExp(`export type ${type} =([\\s\\S]*?)\\n\\n`).exec(source)?.[1]
  if (union === undefined) throw new Error(`there is no \`export type ${type} =\` any more`)
  return [...union.matchAll(/^ *\| '([A-Za-z_-]+)'$/gm)].map((match) => match[1])
}

/** The names with a section of their own (`### name`) below a `## title`. */
export function sectionsOf(page, title) {
  const part = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`))
  if (part === undefined) throw new Error(`docs/errors.md has no part "${title}"`)
  return [...part.matchAll(/^### `?([A-Za-z_-]+)`?/gm)].map((match) => match[1])
}

/** What is in `wanted` and not in `there`. */
export function missing(wanted, there) {
  return wanted.filter((name) => !there.includes(name))
}

function check() {
  const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  const source = (file) => readFileSync(join(root, 'packages/kloset/src', file), 'utf8')
  const parts = [
    ['Errors', membersOf('KlosetErrorCode', source('errors.ts'))],
    ['Findings of a check', membersOf('FindingCode', source('verify/findings.ts'))],
  ]
  const complaints = parts.flatMap(([title, codes]) => {
    const explained = sectionsOf(page, title)
    return [
      ...missing(codes, explained).map((code) => `${code} has no section in docs/errors.md`),
      ...missing(explained, codes).map((code) => `docs/errors.md explains ${code}, which does not exist`),
    ]
  })
  for (const complaint of complaints) console.error(complaint)
  if (complaints.length === 0)
    console.log(`Errors: ${parts.map(([, codes]) => codes.length).join(' codes and ')} findings explained.`)
  return complaints.length === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !check()) process.exitCode = 1
