import { createHash, randomBytes } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, unlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemCode } from './errors.js'
import type { Folder } from './folder.js'
import type { SystemPath } from './local.js'

/** A name for a file that is being restored, beside its final place: hidden, and telling whose it is. */
export function nextTemporaryName(): string {
  return `${prefix}${(count++).toString(36)}`
}

/** Whether {@link nextTemporaryName} made `name`, in whatever thread. */
export function isTemporaryName(name: string): boolean {
  return form.test(name)
}

/**
 * Removes what restores left in `folder` that were killed: those of processes of this machine that are no more, and anyone's that was not
 * written to for a day. What cannot be removed harms nobody.
 */
export function removeLeftovers(folder: Folder): void {
  for (const name of names(folder.system)) {
    const path = folder.at(name)
    try {
      if (isAbandoned(name, path)) unlinkSync(path)
    } catch {
      // Another restore may be cleaning up, too.
    }
  }
}

const form = /^\.kloset-([0-9a-f]{12})-([0-9a-z]+)-[0-9a-f]{8}-[0-9a-z]+$/
const day = 24 * 60 * 60 * 1000

const machine = machineName()
// Each thread loads this module for itself, and so has a prefix of its own.
const prefix = `.kloset-${machine}-${process.pid.toString(36)}-${randomBytes(4).toString('hex')}-`
let count = 0

function names(folder: SystemPath): string[] {
  try {
    return readdirSync(folder).filter(isTemporaryName)
  } catch {
    return []
  }
}

function isAbandoned(name: string, path: SystemPath): boolean {
  const [, of, pid] = form.exec(name) ?? []
  if (of === machine && !isAlive(Number.parseInt(pid!, 36))) return true
  return nowBeside(path) - lstatSync(path).mtimeMs > day
}

/** The time of the file system, in milliseconds: this machine's clock may be far from that of a file server, or of who restores there. */
function nowBeside(path: SystemPath): number {
  // A name that is cleaned up as well, should this process be killed here.
  const probe = typeof path === 'string' ? `${path}now` : Buffer.concat([path, Buffer.from('now')])
  closeSync(openSync(probe, 'wx', 0o600))
  try {
    return lstatSync(probe).mtimeMs
  } finally {
    unlinkSync(probe)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Others' processes are alive, too.
    return systemCode(error) !== 'ESRCH'
  }
}

/** Names where the numbers of processes mean the same: a machine since it was started, and there a container. */
function machineName(): string {
  const hash = createHash('sha256').update(hostname())
  for (const look of [() => readFileSync('/proc/sys/kernel/random/boot_id'), () => readlinkSync('/proc/self/ns/pid')]) {
    try {
      hash.update(look())
    } catch {
      // Not every system has it: then a number that was given again keeps a leftover for a day.
    }
  }
  return hash.digest('hex').slice(0, 12)
}
