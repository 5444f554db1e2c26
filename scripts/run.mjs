import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** The one place that says which pnpm builds this repository. It need not be installed: npx fetches it. */
const pnpmVersion = '10.34.8'

/** Runs a program in the foreground, in the root folder unless `options.cwd` says otherwise; returns its exit code. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error !== undefined) throw error
  return status ?? 1
}

/** As {@link run}, but shows what the program printed only where it fails. */
export function runQuietly(command, args, options = {}) {
  const pipes = { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 64 << 20 }
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, ...pipes, ...options })
  if (error !== undefined) throw error
  if (status !== 0) console.error(`\n${stdout}${stderr}`)
  return status ?? 1
}

/** Runs a program and returns what it printed on stdout. @throws with everything it printed when it fails. */
export function output(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    ...options,
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
  return stdout
}

/** Runs pnpm, by {@link run} unless told another way; returns its exit code. */
export function pnpm(args, { by = run, ...options } = {}) {
  return by('npx', ['-y', `pnpm@${pnpmVersion}`, ...args], { shell: process.platform === 'win32', ...options })
}

/** A new folder for temporary files, removed when the process ends, also when it is interrupted. */
export function temporaryFolder(name, parent = tmpdir()) {
  const folder = mkdtempSync(join(parent, `${name}-`))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
  return folder
}
