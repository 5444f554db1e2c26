// Holds docs/errors.md to the sources: every error code has a section there and every section a code; and every finding
// that the verifier can yield is explained too.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './run.mjs'

/** The codes of `type KlosetErrorCode` in the text of errors.ts. */
export function declaredCodes(source) {
  const union = /export type KlosetErrorCode =([\s\S]*?)\n\n/.exec(source)?.[1]
  if (union === undefined) throw new Error('errors.ts no longer declares `export type KlosetErrorCode =`')
  return [...union.matchAll(/'(KLOSET_[A-Z_]+)'/g)].map((match) => match[1])
}

/** The finding codes a text of the verifier yields: `code: 'pack-corrupt'`, or a first argument `'pack-corrupt'` of a finding. */
export function yieldedFindings(source) {
  return [...source.matchAll(/'([a-z]+(?:-[a-z]+)+)'/g)].map((match) => match[1])
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

function textsIn(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
}

function check() {
  const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  const engine = join(root, 'packages/kloset/src')
  const codes = declaredCodes(readFileSync(join(engine, 'errors.ts'), 'utf8'))
  const explained = sectionsOf(page, 'Errors')
  const findings = sectionsOf(page, 'Findings of a check')
  const yielded = new Set(textsIn(join(engine, 'verify')).flatMap(yieldedFindings))
  const complaints = [
    ...missing(codes, explained).map((code) => `${code} has no section in docs/errors.md`),
    ...missing(explained, codes).map((code) => `docs/errors.md explains ${code}, which does not exist`),
    ...(yielded.size === 0 ? [] : missing(findings, [...yielded])).map(
      (code) => `docs/errors.md explains ${code}, which no check yields`,
    ),
    ...missing([...yielded].filter(isFinding), findings).map(
      (code) => `the finding ${code} has no section in docs/errors.md`,
    ),
  ]
  for (const complaint of complaints) console.error(complaint)
  if (complaints.length === 0) console.log(`Errors: ${codes.length} codes and ${findings.length} findings explained.`)
  return complaints.length === 0
}

// Other quoted words of the verifier (events, notices) are no findings.
function isFinding(word) {
  return /^(config|copy|key|epoch|log|checkpoint|segment|pack|frame|footer|chunk|index|tree|entry|orphan)-/.test(word)
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !check()) process.exitCode = 1
