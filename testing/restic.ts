import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'

/** The password of repositories that tests make. */
export const resticPassword = 'of the repository'

/** Whether restic is installed. */
export const hasRestic: boolean = spawnSync('restic', ['version']).status === 0

/** A repository of Debian's restic below a folder. */
export interface ResticRepository {
  readonly location: string
  /** Runs restic on it and returns what it printed. @throws where that fails */
  run(
    args: readonly string[],
    how?: { readonly cwd?: string; readonly password?: string; readonly env?: NodeJS.ProcessEnv },
  ): string
}

/** Makes a repository below `folder`; `settings` are further arguments of `restic init`. */
export function makeRestic(folder: string, settings: readonly string[] = []): ResticRepository {
  const location = join(mkdtempSync(join(folder, 'restic-')), 'repo')
  const repository: ResticRepository = {
    location,
    run(args, { cwd = folder, password = resticPassword, env: more = {} } = {}) {
      const env = {
        PATH: process.env.PATH,
        HOME: folder,
        RESTIC_REPOSITORY: location,
        RESTIC_PASSWORD: password,
        GOMAXPROCS: '2',
        ...more,
      }
      const { status, stdout, stderr } = spawnSync('restic', ['--no-cache', ...args], {
        cwd,
        env,
        maxBuffer: 2 ** 28,
      })
      if (status !== 0) throw new Error(`restic ${args.join(' ')}: ${stderr}`)
      return stdout.toString()
    },
  }
  repository.run(['init', '--quiet', ...settings])
  return repository
}

/** Ids of the snapshots of a repository, oldest first. */
export function resticIds(repository: ResticRepository): string[] {
  const found = JSON.parse(repository.run(['snapshots', '--json'])) as { id: string; time: string }[]
  return found.sort((a, b) => Date.parse(a.time) - Date.parse(b.time)).map(({ id }) => id)
}
