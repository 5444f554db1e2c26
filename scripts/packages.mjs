// Checks the packages as they would be published: packs each one, looks into the tarball, and uses it as a stranger would.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { output, pnpm, root, run, runQuietly, temporaryFolder } from './run.mjs'

const work = temporaryFolder('kloset-packages')
const bin = (name) => join(root, 'node_modules/.bin', name)

const packages = readdirSync(join(root, 'packages'))
  .map((folder) => join(root, 'packages', folder))
  .filter((folder) => existsSync(join(folder, 'package.json')))
  .map((folder) => ({ folder, ...JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
  .filter((manifest) => manifest.private !== true)

for (const manifest of packages) {
  heading(manifest.name)
  manifest.tarball = pack(manifest)
  insist(holdsOnlyWhatItShould(manifest), 'the tarball holds something it should not')
  insist(runQuietly(bin('publint'), ['run', manifest.tarball, '--strict']) === 0, 'publint')
  if (manifest.exports?.['.'] !== undefined) {
    // Libraries are ES modules; require() of them works in newer Nodes, and is no promise of ours.
    insist(runQuietly(bin('attw'), [manifest.tarball, '--profile', 'esm-only', '--format', 'ascii']) === 0, 'attw')
  }
}
heading('installed with npm, as a stranger would')
useThem()
console.log('\nPackages: fine.')

function pack({ folder, name }) {
  insist(existsSync(join(folder, 'dist')), `${name} is not built: npm run setup`)
  const place = join(work, name.replace('/', '-'))
  mkdirSync(place)
  insist(pnpm(['pack', '--pack-destination', place], { cwd: folder, by: runQuietly }) === 0, 'pack')
  return join(place, readdirSync(place)[0])
}

function holdsOnlyWhatItShould({ tarball, name }) {
  const files = output('tar', ['-tzf', tarball])
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''))
  const manifest = output('tar', ['-xzOf', tarball, 'package/package.json'])
  const complaints = [
    ...files
      .filter((file) => !/^(package\.json|README\.md|LICENSE|dist\/.+)$/.test(file))
      .map((file) => `holds ${file}`),
    ...['package.json', 'README.md', 'LICENSE'].filter((file) => !files.includes(file)).map((file) => `lacks ${file}`),
    ...(/"(workspace|link|file):/.test(manifest) ? ['refers to a package of this workspace'] : []),
  ]
  console.log(`${name}: ${files.length} files, ${Math.ceil(statSync(tarball).size / 1000)} kB packed`)
  for (const complaint of complaints) console.error(`  it ${complaint}`)
  return complaints.length === 0
}

function useThem() {
  const place = join(work, 'stranger')
  mkdirSync(place)
  const tarballs = Object.fromEntries(packages.map(({ name, tarball }) => [name, `file:${tarball}`]))
  // The tarballs' versions are not in any registry yet.
  const overrides = Object.fromEntries(packages.map(({ name }) => [name, `$${name}`]))
  // The declarations of kloset use types of the web platform and, at a few places, of Node.
  const devDependencies = { '@types/node': '^20.19.0' }
  const manifest = { private: true, type: 'module', dependencies: tarballs, devDependencies, overrides }
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest))
  insist(
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: place,
      shell: process.platform === 'win32',
    }) === 0,
    'npm install',
  )

  // Compiled strictly and with all declarations checked: they must stand on their own.
  for (const file of ['smoke.ts', 'tsconfig.json']) copyFileSync(join(root, 'scripts/smoke', file), join(place, file))
  insist(run(bin('tsc'), ['-p', place]) === 0, 'the types')
  insist(run(process.execPath, ['smoke.js'], { cwd: place }) === 0, 'the smoke program')
  for (const { name, bin: commands } of packages) {
    for (const command of Object.keys(commands ?? {})) {
      const program = join(place, 'node_modules/.bin', command)
      console.log(output(program, ['version'], { cwd: place }).trim(), `(command of ${name})`)
      for (const location of ['sftp://me@127.0.0.1:1/store', 's3://127.0.0.1:1/store'])
        insist(knocks(program, location), `${command} at ${location}`)
    }
  }
}

/** Whether the command gets as far as the network with what it was installed with: nothing listens there. */
function knocks(program, location) {
  const keys = { AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' }
  const { stdout } = spawnSync(program, ['at', location, 'ls', '--json', '--no-cache'], {
    encoding: 'utf8',
    env: { ...process.env, ...keys, KLOSET_PASSPHRASE: 'none', XDG_STATE_HOME: work, HOME: work },
    shell: process.platform === 'win32',
  })
  const { code, message } = JSON.parse(stdout.trim().split('\n').at(-1) || '{}')
  console.log(`${location}: ${message}`)
  return code === 'KLOSET_OFFLINE'
}

function heading(text) {
  console.log(`\n── ${text}`)
}

function insist(fine, what) {
  if (fine) return
  console.error(`\nFailed: ${what}`)
  process.exit(1)
}
