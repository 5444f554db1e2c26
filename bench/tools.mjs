// The programs that are compared, all in the same words: what to run for each step. A step a program does not have is undefined.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../scripts/run.mjs'

const cli = join(root, 'packages/cli/dist/cli.js')
const passphrase = 'correct horse battery staple'

/** The programs of this machine. `at` in their steps is a folder for the store and for caches. */
export function installedTools(otherNodes) {
  return [kloset(process.execPath), ...otherNodes.map(kloset), restic(), borg(), tarLz4(), copy()].filter(
    (tool) => tool.version !== undefined,
  )
}

function kloset(node) {
  const run = (at, ...args) => ({
    command: node,
    args: [cli, 'at', join(at, 'store'), ...args],
    env: { KLOSET_PASSPHRASE: passphrase, XDG_CACHE_HOME: join(at, 'cache') },
  })
  return {
    ...namesOf(node),
    create: (at) => run(at, 'create'),
    backup: (at, source) => run(at, 'backup', source),
    check: (at) => run(at, 'check', '--read-data'),
    restore: (at, to) => run(at, 'restore', '--to', to, 'latest'),
    again: true,
  }
}

/** What kloset is called when it runs with a Node, and its version. */
export function namesOf(node) {
  const nodeVersion = firstLine(node, ['--version'])
  return {
    name: node === process.execPath ? 'kloset' : `kloset, Node ${nodeVersion?.slice(1).split('.')[0]}`,
    version: nodeVersion && `${firstLine(node, [cli, 'version'])}, Node ${nodeVersion.slice(1)}`,
  }
}

function restic() {
  const run = (at, ...args) => ({
    command: 'restic',
    args: ['-q', '-r', join(at, 'store'), ...args],
    env: { RESTIC_PASSWORD: passphrase, RESTIC_CACHE_DIR: join(at, 'cache') },
  })
  return {
    name: 'restic',
    version: firstLine('restic', ['version'])?.replace(/ compiled.*/, ''),
    create: (at) => run(at, 'init'),
    backup: (at, source) => run(at, 'backup', source),
    check: (at) => run(at, 'check', '--read-data'),
    restore: (at, to) => run(at, 'restore', 'latest', '--target', to),
    again: true,
  }
}

function borg() {
  const run = (at, args, cwd) => ({
    command: 'borg',
    args,
    cwd,
    env: { BORG_REPO: join(at, 'store'), BORG_PASSPHRASE: passphrase, BORG_BASE_DIR: join(at, 'cache') },
  })
  let archive = 0
  return {
    name: 'borg',
    version: firstLine('borg', ['--version']),
    create: (at) => run(at, ['init', '-e', 'repokey-blake2']),
    backup: (at, source) => run(at, ['create', `::${++archive}`, source]),
    check: (at) => run(at, ['check', '--verify-data']),
    restore: (at, to) => run(at, ['extract', `::${archive}`], to),
    again: true,
  }
}

// No deduplication, no encryption, no index: what the bytes alone cost.
function tarLz4() {
  const run = (script, ...args) => ({ command: 'bash', args: ['-c', `set -o pipefail; ${script}`, 'bash', ...args] })
  return {
    name: 'tar | lz4',
    version: firstLine('lz4', ['--version'])?.match(/v[\d.]+/)?.[0],
    backup: (at, source) =>
      run('mkdir -p "$2" && tar -C "$1" -cf - . | lz4 -q > "$2/tar.lz4"', source, join(at, 'store')),
    restore: (at, to) => run('lz4 -dcq "$1/tar.lz4" | tar -C "$2" -xf -', join(at, 'store'), to),
  }
}

// What a restore cannot beat by much.
function copy() {
  return {
    name: 'cp -a',
    version: firstLine('cp', ['--version']),
    backup: (at, source) => ({ command: 'cp', args: ['-a', source, join(at, 'store')] }),
    restore: (at, to) => ({ command: 'cp', args: ['-a', join(at, 'store/.'), to] }),
  }
}

/** The first line a program prints; undefined where there is no such program. */
export function firstLine(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout.split('\n')[0].trim() : undefined
}
