// `npm run demo`: the whole life of a backup with the real command, on real files, compared byte by byte at the end.
// Everything happens in a temporary folder that is removed afterwards; `npm run demo -- --keep` leaves it.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, temporaryFolder } from './run.mjs'
import { copyTree, differences, sizeOfTree } from './trees.mjs'

const cli = join(root, 'packages/cli/dist/cli.js')
const keep = process.argv.includes('--keep')
const work = keep ? fs.mkdtempSync(join(tmpdir(), 'kloset-demo-')) : temporaryFolder('kloset-demo')
const at = (...path) => join(work, ...path)
const started = performance.now()
// Elsewhere Node alone sets the times, which it does in microseconds.
const linux = process.platform === 'linux'

console.log(`\nA backup from beginning to end, in ${work}`)

chapter('Some real files')
gatherFiles()
const size = sizeOfTree(at('files'))
say(`${count(size.files)} files, ${amount(size.bytes)}: this repository and the packages that build it,`)
say('and what tends to break backups: odd names, links, holes, files without content or without write permission.')

chapter('A new store')
say(`The passphrase is in KLOSET_PASSPHRASE here; without it, kloset asks.`)
kloset(['create'])

chapter('The first backup')
kloset(['backup', 'files', '--tag', 'demo'])
good(`${amount(size.bytes)} of files take ${amount(sizeOfTree(at('store')).bytes)} in the store`)

chapter('Work goes on: some files are edited, renamed, added, deleted')
const lost = fs.readFileSync(at('files/docs/format.md'))
changeFiles()
const before = sizeOfTree(at('store')).bytes
kloset(['backup', 'files', '--tag', 'demo'])
good(`only what changed was stored: ${amount(sizeOfTree(at('store')).bytes - before)}`)

chapter('What is there')
kloset(['ls'])

chapter('Is it all intact? Every byte is read, decrypted and hashed')
kloset(['check', '--read-data'])

chapter('Everything back, into an empty folder')
kloset(['restore', '--to', 'restored', 'latest'])
expectSame(at('files'), at('restored'))
good(
  `the same files, byte by byte; the same modes, owners, links and modification times, to the ${linux ? 'nano' : 'micro'}second`,
)

chapter('One deleted file back, from the snapshot before')
kloset(['restore', '--to', 'rescued', 'latest~1:docs/format.md'])
const rescued = fs.readdirSync(at('rescued'), { recursive: true }).find((name) => name.endsWith('format.md'))
if (rescued === undefined || !fs.readFileSync(at('rescued', rescued)).equals(lost))
  fail('docs/format.md did not come back')
good('docs/format.md is back as it was')

chapter('What if the passphrase is wrong?')
kloset(['ls'], { exit: 12, passphrase: 'battery staple' })

chapter('What if the disk damages one byte?')
damageOneByte()
kloset(['check', '--read-data'], { exit: 4 })
good('the damage was found and named')

console.log(
  `\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.${keep ? ` All of it is still in ${work}.` : ''}`,
)
console.log(`Your turn: node ${join('packages', 'cli', 'dist', 'cli.js')} at /path/to/store create\n`)

/** Runs the real command as a person would, shows what it prints, and insists on how it ends. */
function kloset(args, { exit = 0, passphrase = 'correct horse' } = {}) {
  console.log(`\n  $ kloset at store ${args.join(' ')}`)
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'at', 'store', ...args], {
    cwd: work,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { ...process.env, KLOSET_PASSPHRASE: passphrase, KLOSET_STORE: undefined, XDG_CACHE_HOME: at('cache') },
  })
  const lines = `${stdout}${stderr}`.trimEnd().split('\n')
  for (const line of lines.slice(0, 14)) console.log(`    ${line}`)
  if (lines.length > 14) console.log(`    … and ${lines.length - 14} lines more`)
  console.log()
  if (status !== exit) fail(`that should have ended with exit code ${exit}, but ended with ${status}`)
  if (exit !== 0) good(`exit code ${exit} tells a script, too`)
}

function gatherFiles() {
  const tooLarge = 10_000_000
  for (const part of ['packages', 'docs', 'scripts', 'node_modules/.pnpm']) {
    // Not the compilers' own programs, which would be half of all bytes; and node_modules once is enough.
    const skip = (path, stat) => stat.size > tooLarge || (part === 'packages' && path.endsWith('node_modules'))
    copyTree(join(root, part), at('files', part), skip)
  }
  const odd = at('files', 'odd & ends')
  fs.mkdirSync(join(odd, 'empty folder'), { recursive: true })
  fs.writeFileSync(join(odd, 'a name with spaces, a "quote" and a 🗄️.txt'), 'found it\n')
  fs.writeFileSync(join(odd, 'empty'), '')
  fs.writeFileSync(join(odd, 'read only'), 'do not touch\n', { mode: 0o444 })
  fs.writeFileSync(join(odd, 'script.sh'), '#!/bin/sh\n', { mode: 0o755 })
  fs.symlinkSync('nowhere', join(odd, 'dangling link'))
  fs.writeFileSync(join(odd, 'one'), 'two names, one file\n')
  fs.linkSync(join(odd, 'one'), join(odd, 'other name of one'))
  fs.writeFileSync(join(odd, 'mostly a hole'), '')
  fs.truncateSync(join(odd, 'mostly a hole'), 30_000_000)
  fs.appendFileSync(join(odd, 'mostly a hole'), 'the end')
  fs.utimesSync(join(odd, 'empty'), 0, 1e9 + 0.125)
}

function changeFiles() {
  fs.rmSync(at('files/docs/format.md'))
  fs.renameSync(at('files/odd & ends/one'), at('files/odd & ends/uno'))
  fs.appendFileSync(at('files/packages/kloset/package.json'), '\n')
  fs.appendFileSync(at('files/docs/errors.md'), '\nOne more line.\n')
  fs.chmodSync(at('files/odd & ends/script.sh'), 0o700)
  fs.writeFileSync(at('files/new.txt'), 'A new file.\n')
}

function damageOneByte() {
  const packs = fs.readdirSync(at('store/packs'), { recursive: true }).map((name) => at('store/packs', name))
  const pack = packs
    .filter((path) => fs.statSync(path).isFile())
    .sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)[0]
  const bytes = fs.readFileSync(pack)
  bytes[bytes.length >> 1] ^= 1
  fs.chmodSync(pack, 0o600)
  fs.writeFileSync(pack, bytes)
}

function expectSame(a, b) {
  const found = differences(a, b, linux ? 1n : 1000n)
  if (found.length > 0) fail(`${found.length} differences:\n    ${found.slice(0, 20).join('\n    ')}`)
}

function chapter(title) {
  console.log(`\n── ${title} ${'─'.repeat(Math.max(3, 96 - title.length))}`)
}

function say(text) {
  console.log(`  ${text}`)
}

function good(text) {
  console.log(`  ✓ ${text}`)
}

function fail(text) {
  console.error(`  ✗ ${text}`)
  process.exit(1)
}

function count(number) {
  return number.toLocaleString('en')
}

function amount(bytes) {
  return bytes < 2 ** 20
    ? `${Math.ceil(bytes / 2 ** 10)} KiB`
    : `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`
}
