// Keeps the layers of ARCHITECTURE.md: prints every import that reaches up, or out of its package, and fails if there is one.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { root } from './run.mjs'

/** The engine's rooms, top to bottom: folders and files of packages/kloset/src. A file imports from its own line or below. */
export const layers = [
  // What puts the verbs together: the public API and the entry of the workers.
  [
    'index.ts',
    'open.ts',
    'create.ts',
    'opening.ts',
    'connect.ts',
    'copies.ts',
    'facade.ts',
    'engine.ts',
    'worker.ts',
    'kloset-worker.ts',
  ],
  ['backup', 'restore', 'archive', 'verify', 'sync', 'import', 'prune', 'edit', 'snapshot', 'stats'],
  ['store'],
  ['tree', 'index', 'log'],
  ['pack'],
  ['chunk', 'compress', 'crypto', 'filter', 'hash', 'storage'],
  // For connector authors: it sees the contracts and what they are made of, never the engine; and the engine never sees it.
  ['conformance'],
  ['kernels', 'connector', 'runtime'],
  ['bytes', 'errors.ts', 'version.ts'],
]

/** Files that hold nothing but types: everyone may import them, as types. */
export const typesOnly = ['api.ts', 'run.ts']

/** The only folder of the engine that may import `node:*`. */
export const nodeRoom = 'runtime/node/'

/** What a connector may import of this repository, in its sources and in its tests. */
export const connectorImports = {
  src: ['kloset/connector', 'kloset/conformance'],
  test: ['kloset', 'kloset/connector', 'kloset/conformance'],
}

/** What packages beside the engine may import of this repository, which work on an open store. */
export const besideImports = {
  src: ['kloset', 'kloset/connector'],
  test: ['kloset', 'kloset/connector', '@kloset/connector-fs'],
}

/** What is wrong with one import of one file, as a sentence; undefined where nothing is. Paths are relative to the root, with `/`. */
export function violation(file, { specifier, typeOnly }) {
  const [, home, part, inside] = /^(packages\/[^/]+|examples)\/(?:(src|test)\/)?(.*)$/.exec(file) ?? []
  if (home === undefined) return undefined
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier)
    // Tests share their helpers and the servers they talk to, which are not published.
    if (part === 'test' && /^(packages\/[^/]+\/test|testing)\//.test(target)) return undefined
    if (!target.startsWith(`${home}/`)) return 'leaves its package: import it by its published name'
    const src = `${home}/src/`
    if (home !== 'packages/kloset' || part !== 'src') return undefined
    if (!target.startsWith(src)) return 'leaves src/'
    return upward(inside, target.slice(src.length).replace(/\.js$/, '.ts'), typeOnly)
  }
  if (home === 'packages/kloset' && part === 'src') {
    if (specifier.startsWith('node:') && !inside.startsWith(nodeRoom)) return `only src/${nodeRoom} may import node:*`
    if (specifier.startsWith('@kloset/')) return 'the engine knows no connector'
  }
  if (home.startsWith('packages/connector-') && part !== undefined && /^(@kloset\/|kloset(\/|$))/.test(specifier)) {
    if (!connectorImports[part].includes(specifier))
      return `a connector's ${part} imports only ${connectorImports[part].join(', ')}`
  }
  if (home === 'packages/serve' && part !== undefined && /^(@kloset\/|kloset(\/|$))/.test(specifier)) {
    if (!besideImports[part].includes(specifier)) return `its ${part} imports only ${besideImports[part].join(', ')}`
  }
  return undefined
}

function upward(from, to, typeOnly) {
  if (typesOnly.includes(to)) return typeOnly ? undefined : 'holds types only: use `import type`'
  // The types of the API are written in the words of every room; they cost nothing at run time.
  if (typesOnly.includes(from)) return typeOnly ? undefined : 'a file of types imports only types'
  const [own, other] = [lineOf(from), lineOf(to)]
  if (own === -1) return `src/${roomOf(from)} has no line in scripts/layers.mjs`
  if (other === -1) return `src/${roomOf(to)} has no line in scripts/layers.mjs`
  if (roomOf(to) === 'conformance' && roomOf(from) !== 'conformance') return 'conformance is for tests'
  if (other < own) return `reaches up: ${roomOf(to)} is above ${roomOf(from)}`
  return undefined
}

function roomOf(path) {
  return path.split('/')[0]
}

function lineOf(path) {
  return layers.findIndex((rooms) => rooms.includes(roomOf(path)))
}

/** Every module a TypeScript or JavaScript text names: imports, re-exports, `import()`, import types. */
export function importsOf(text, name = 'file.ts') {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const found = []
  const add = (literal, typeOnly) => {
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return
    const line = source.getLineAndCharacterOfPosition(literal.getStart()).line + 1
    found.push({ specifier: literal.text, typeOnly, line })
  }
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', 'fixtures'].includes(entry.name)) yield* sources(path)
    } else if (/\.(ts|mjs)$/.test(entry.name) && !/\.(as|generated)\.ts$/.test(entry.name)) yield path
  }
}

function check() {
  let files = 0
  let wrong = 0
  for (const folder of ['packages', 'examples']) {
    for (const path of sources(join(root, folder))) {
      files += 1
      const file = relative(root, path).split(sep).join('/')
      for (const found of importsOf(readFileSync(path, 'utf8'), file)) {
        const why = violation(file, found)
        if (why === undefined) continue
        wrong += 1
        console.error(`${file}:${found.line}  '${found.specifier}' ${why}`)
      }
    }
  }
  console.log(
    wrong === 0 ? `Layers: ${files} files import only downwards.` : `Layers: ${wrong} imports break the rules.`,
  )
  return wrong === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !check()) process.exitCode = 1
