// No committed file names a package registry: every clone uses the one its own npm is set up with.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output, root } from './run.mjs'

// In pieces, so that this file does not name them either.
const names = [
  ['registry.', 'npmjs'],
  ['registry.', 'yarnpkg'],
  ['registry.', 'npmmirror'],
  ['npm.pkg.', 'github'],
  ['npm.', 'jsr.io'],
].map((pieces) => pieces.join(''))

/** What is wrong in one file's text, line by line: a registry's name, or an npm setting that chooses one. */
export function registriesIn(file, text) {
  const found = []
  text.split('\n').forEach((line, at) => {
    const name = names.find((candidate) => line.includes(candidate))
    if (name !== undefined) found.push(`${file}:${at + 1} names ${name}`)
    else if (/(^|\/)\.npmrc$/.test(file) && /registry\s*=/.test(line)) found.push(`${file}:${at + 1} sets a registry`)
  })
  return found
}

function check() {
  // Committed files, and those that would be with the next commit.
  const files = output('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']).split('\0')
  const found = files
    .filter((file) => file !== '' && existsSync(join(root, file)) && statSync(join(root, file)).isFile())
    .flatMap((file) => registriesIn(file, readFileSync(join(root, file), 'latin1')))
  for (const line of found) console.error(line)
  if (found.length === 0) console.log(`Registries: named in none of ${files.length - 1} files.`)
  return found.length === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !check()) process.exitCode = 1
