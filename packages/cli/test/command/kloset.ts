import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

/** The built command. */
export const command: string = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

if (!existsSync(command)) throw new Error(`${command} is not there: build all packages first (pnpm -r build)`)

/** What a run of the command left. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The lines of stdout as JSON. */
  readonly json: readonly Line[]
}

/** A line of `--json`. */
export interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

/** How the command is run. */
export interface How {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** As another user: needs root. */
  readonly uid?: number
}

/** A folder that is removed after the tests of the file. Everybody may enter it, so that other users can be tried. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kloset-command-'))
  spawnSync('chmod', ['755', folder])
  afterAll(() => {
    spawnSync('chmod', ['-R', 'u+rwx', folder])
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

const home = temporary()

/** The environment of every run: nothing of the person who tests. */
export function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: home,
    XDG_STATE_HOME: join(home, 'state'),
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    ...more,
  }
}

/** Runs the command to its end, without a terminal. */
export function kloset(args: readonly string[], how: How = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    env: environment(how.env),
    cwd: how.cwd ?? home,
    ...(how.uid !== undefined && { uid: how.uid, gid: how.uid }),
    maxBuffer: 2 ** 28,
  })
  return ran(status, stdout.toString(), stderr.toString())
}

/** Runs a line of bash, where `$kloset` is the command. */
export function shell(line: string, how: How = {}): Ran {
  const env = environment({ kloset: `${process.execPath} ${command}`, ...how.env })
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', line], {
    env,
    cwd: how.cwd ?? home,
    maxBuffer: 2 ** 28,
  })
  return ran(status, stdout.toString('latin1'), stderr.toString())
}

/** Starts the command and leaves it running. */
export function start(args: readonly string[], how: How = {}): ChildProcess {
  return spawn(process.execPath, [command, ...args], { env: environment(how.env), cwd: how.cwd ?? home })
}

/** Waits for a command that was started; `whenSeen` is called once, when its output first matches. */
export async function finish(child: ChildProcess, pattern: RegExp, whenSeen: () => void): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  let seen = false
  const look = (): void => {
    if (seen || !(pattern.test(stdout) || pattern.test(stderr))) return
    seen = true
    whenSeen()
  }
  child.stdout?.on('data', (data) => {
    stdout += data
    look()
  })
  child.stderr?.on('data', (data) => {
    stderr += data
    look()
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return ran(code, stdout, stderr)
}

/** Whether a program is on the PATH. */
export function has(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The user that owns nothing, where the tests may become it. */
export const nobody: number | undefined = process.getuid?.() === 0 ? 65534 : undefined

/** All files below a folder, with their sizes. */
export function filesBelow(folder: string): Record<string, number> {
  const found: Record<string, number> = {}
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) found[path.slice(folder.length + 1)] = statSync(path).size
  }
  return found
}

/** Runs the command on a terminal of its own, and answers each question with the next answer. */
export async function onTerminal(
  args: readonly string[],
  answers: readonly (readonly [question: RegExp, answer: string])[],
  how: How = {},
): Promise<{ readonly code: number | null; readonly screen: string }> {
  const words = [process.execPath, command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const child = spawn('script', ['-qec', `stty cols 80; ${words}`, '/dev/null'], {
    env: environment({ TERM: 'xterm', SHELL: '/bin/sh', ...how.env }),
    cwd: how.cwd ?? home,
  })
  let screen = ''
  let looked = 0
  const left = [...answers]
  child.stdout.on('data', (data) => {
    screen += data
    const match = left[0]?.[0].exec(screen.slice(looked))
    if (!match) return
    looked += match.index + match[0].length
    const answer = left.shift()![1]
    child.stdin.write(answer)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, screen }
}

function ran(code: number | null, stdout: string, stderr: string): Ran {
  return {
    code,
    stdout,
    stderr,
    get json() {
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    },
  }
}
