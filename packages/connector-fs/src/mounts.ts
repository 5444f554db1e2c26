import { readFileSync } from 'node:fs'
import { pathFromBytes } from 'kloset/connector'

/** A mounted file system, or a part of one. */
export interface Mount {
  /** The file system, as the system numbers it. */
  readonly device: string
  /** Which folder or file of the file system it shows. */
  readonly root: string
  /** Where it is mounted, in the notation of entries. */
  readonly path: string
}

/** What is mounted where for this process, in the order of mounting; nothing where the system does not say. */
export function mounts(): Mount[] {
  let lines: string[]
  try {
    // Byte by byte, for names need not be UTF-8.
    lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  } catch {
    return []
  }
  return lines.flatMap((line) => {
    const [, , device, root, path] = line.split(' ')
    return device === undefined || root === undefined || path === undefined
      ? []
      : [{ device, root: plain(root), path: plain(path) }]
  })
}

/** Without the escapes of proc_pid_mountinfo(5): blanks, line ends and backslashes in octal. */
function plain(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return pathFromBytes(Buffer.from(bytes, 'latin1'))
}
