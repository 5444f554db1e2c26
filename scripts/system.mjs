// What tests use of the system besides Node. Run by itself it installs what is missing, on Debian and as root; `npm test` does the same,
// and without it tells at its end which tests were left out, and how to have them.
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runQuietly } from './run.mjs'

/** What tests need, by what it is for: programs and the Debian packages they are in. */
export const wanted = [
  { what: 'files, patches and repositories', programs: { git: 'git', patch: 'patch', tar: 'tar' } },
  { what: 'attributes and access control lists', programs: { setfattr: 'attr', setfacl: 'acl' } },
  { what: 'imports from restic', programs: { restic: 'restic' } },
  {
    what: 'archives that others read',
    programs: { python3: 'python3', bsdtar: 'libarchive-tools', unzip: 'unzip' },
  },
  { what: 'questions on a terminal', programs: { script: 'bsdutils' } },
  {
    what: 'stores on a real S3 server (Ceph)',
    programs: { radosgw: 'radosgw', 'ceph-mon': 'ceph-mon', 'ceph-osd': 'ceph-osd', ceph: 'ceph-common' },
  },
  {
    what: 'stores on a real SSH server (OpenSSH)',
    programs: { sshd: 'openssh-server', 'ssh-keygen': 'openssh-client' },
  },
  {
    what: 'snapshots over WebDAV and as mounted folders',
    programs: { rclone: 'rclone', 'mount.davfs': 'davfs2', fusermount3: 'fuse3' },
  },
]

/** Those of `wanted` that cannot be tested here, each with the Debian packages it lacks. */
export function missing() {
  return wanted
    .map(({ what, programs }) => ({
      what,
      packages: Object.entries(programs)
        .filter(([program]) => !there(program))
        .map(([, name]) => name),
    }))
    .filter(({ packages }) => packages.length > 0)
}

/** How a person gets packages. */
export function howToInstall(packages) {
  return `apt-get install --no-install-recommends ${packages.join(' ')}`
}

/**
 * Installs what is missing where that is possible without asking anybody: as root, on Debian. KLOSET_INSTALL=no prevents it. Whether all is
 * there afterwards; where it is not, tests are left out, which is no reason to fail.
 */
export function install() {
  const packages = missing().flatMap((each) => each.packages)
  if (packages.length === 0) return true
  if (process.env.KLOSET_INSTALL === 'no' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version'))
    return false
  process.stdout.write(`Installing for tests: ${packages.join(' ')} … `)
  const start = performance.now()
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const fine = withoutServices(
    () =>
      runQuietly('apt-get', ['update', '-qq'], { env }) === 0 &&
      runQuietly('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env }) === 0,
  )
  console.log(fine ? `${((performance.now() - start) / 1000).toFixed(1)} s` : 'that did not work.')
  return missing().length === 0
}

// Debian starts what it installs, unless this file says no. Tests start servers of their own.
function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return work()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  // A signal must not end the process before the file is gone again.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
  try {
    return work()
  } finally {
    rmSync(policy, { force: true })
  }
}

// Servers are in folders that the PATH of a person lacks.
function there(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !install()) {
  for (const { what, packages } of missing()) console.error(`Missing for ${what}: ${howToInstall(packages)}`)
  process.exitCode = 1
}
