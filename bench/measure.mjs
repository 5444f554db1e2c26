// What a command costs: wall time, CPU time of it and its children, and the largest memory of any one process.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const gnuTime = '/usr/bin/time'

/**
 * Runs a command to its end. `scratch` is a folder for a small file. Without NODE_EXTRA_CA_CERTS, which some machines set: Node 20 reads all certificates of
 * that file whenever it starts, in 60 ms.
 * @returns `{ wall, cpu, memory }` in seconds, seconds and bytes; memory is undefined without Debian's package `time`
 * @throws where it fails, with what it printed
 */
export function measure({ command, args, env = {}, cwd }, scratch) {
  const costs = join(scratch, 'costs')
  const [program, programArgs] = existsSync(gnuTime)
    ? [gnuTime, ['-f', '%U %S %M', '-o', costs, command, ...args]]
    : // The shell knows the times of its children, though not their memory.
      ['bash', ['-c', 'TIMEFORMAT="%U %S"; { time "$@" 2>&3; } 3>&2 2>"$0"', costs, command, ...args]]
  const start = performance.now()
  const { status, error, stdout, stderr } = spawnSync(program, programArgs, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...env },
  })
  const wall = (performance.now() - start) / 1000
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
  const [user, system, kilobytes] = readFileSync(costs, 'utf8').trim().split('\n').at(-1).split(' ').map(Number)
  return { wall, cpu: user + system, memory: kilobytes === undefined ? undefined : kilobytes * 1024 }
}

/** The middle one; of an even number the mean of the two in the middle. Undefined of nothing. */
export function median(numbers) {
  const sorted = numbers.filter((number) => number !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
