import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { KlosetError, withoutSecrets } from 'kloset/connector'
import { descriptorSocket } from './descriptor.js'

/** How a folder is mounted and unmounted: by the system's own programs, as root with `mount`, as anybody else with `fusermount3`. */
export interface Mounting {
  /** The open `/dev/fuse` of the mount. */
  readonly device: number
  /** Resolves when the system has mounted it, which asks the first questions through the device. @throws KLOSET_DENIED */
  readonly mounted: Promise<void>
  /** Unmounts it, or where it is in use, and `detach` is asked for, takes it out of sight until nobody uses it any more. */
  unmount(how: { readonly detach: boolean }): Promise<boolean>
}

/** What may be chosen. */
export interface MountingOptions {
  /** Lets users in whom the system would keep out: all but the one who mounts. Each has the rights that the files say. */
  readonly allowOther: boolean
}

/**
 * Starts to mount a folder.
 * @throws KLOSET_UNSUPPORTED where this system or this user cannot mount; KLOSET_NOT_FOUND, KLOSET_EXISTS for a folder that is not there or not empty;
 * KLOSET_BUSY for one that is left from a mount whose program died
 */
export async function startMounting(folder: string, options: MountingOptions): Promise<Mounting> {
  if (process.platform !== 'linux') throw unsupported(`folders cannot be mounted on ${process.platform}, only on Linux`)
  await requireEmpty(folder)
  const shared = ['ro', 'nosuid', 'nodev', ...(options.allowOther ? ['allow_other', 'default_permissions'] : [])]
  return process.getuid?.() === 0 ? mountAsRoot(folder, shared) : mountAsUser(folder, shared)
}

/** The mount stays as long as the device is open; so what is in the folder would be out of reach, and a store in it would wait for itself. */
async function requireEmpty(folder: string): Promise<void> {
  let names: readonly string[]
  try {
    names = await readdir(folder)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOTCONN')
      throw new KlosetError('KLOSET_BUSY', `something that no longer runs is still mounted at ${folder}`, {
        hint: `Unmount it: ${process.getuid?.() === 0 ? 'umount -l' : 'fusermount3 -u'} ${folder}`,
        context: { folder },
        cause,
      })
    const reason = code === 'ENOTDIR' ? 'is not a folder' : code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new KlosetError(code === 'EACCES' ? 'KLOSET_DENIED' : 'KLOSET_NOT_FOUND', `${folder} ${reason}`, {
      hint: 'Mount at an empty folder of your own.',
      context: { folder },
      cause,
    })
  }
  if (names.length === 0) return
  throw new KlosetError('KLOSET_EXISTS', `${folder} is not empty`, {
    hint: 'What is in it could not be reached while something is mounted there: take an empty folder.',
    context: { folder },
  })
}

/** `mount` is given the open device, and the kernel connects the two. */
function mountAsRoot(folder: string, options: readonly string[]): Mounting {
  let device: number
  try {
    device = openSync('/dev/fuse', 'r+')
  } catch (cause) {
    throw unsupported('this system has no /dev/fuse, or it may not be used here', cause)
  }
  const all = [...options, `fd=${inherited}`, 'rootmode=40000', 'user_id=0', 'group_id=0'].join(',')
  // Without its helpers (-i): the one for FUSE would start a file system by itself.
  const mounting = run('mount', ['-i', '-n', '-t', 'fuse.kloset', '-o', all, 'kloset', folder], device)
  return {
    device,
    mounted: mounting.then((outcome) => {
      if (outcome.code !== 0) throw refused(folder, outcome)
    }),
    unmount: async ({ detach }) =>
      (await run('umount', ['-i', folder])).code === 0 ||
      (detach && (await run('umount', ['-i', '-l', folder])).code === 0),
  }
}

/** `fusermount3`, which may do what its user may not, opens and mounts the device, and hands it over. */
async function mountAsUser(folder: string, options: readonly string[]): Promise<Mounting> {
  const socket = descriptorSocket()
  if (socket === undefined) throw unsupported('without the package koffi, only root can mount')
  const all = [...options, 'fsname=kloset', 'subtype=kloset'].join(',')
  try {
    const outcome = await run('fusermount3', ['-o', all, '--', folder], socket.theirs, { _FUSE_COMMFD: `${inherited}` })
    if (outcome.missing)
      throw unsupported('the program fusermount3 is missing, which mounts for users that are not root')
    const device = outcome.code === 0 ? socket.receive() : undefined
    if (device === undefined) throw refused(folder, outcome)
    return {
      device,
      mounted: Promise.resolve(),
      unmount: async ({ detach }) =>
        (await run('fusermount3', ['-u', '--', folder])).code === 0 ||
        (detach && (await run('fusermount3', ['-u', '-z', '--', folder])).code === 0),
    }
  } finally {
    closeSync(socket.ours)
    closeSync(socket.theirs)
  }
}

/** The number under which a program gets the file that it is given. */
const inherited = 3

interface Outcome {
  readonly code: number | null
  readonly complaint: string
  /** There is no such program. */
  readonly missing: boolean
}

function run(program: string, args: readonly string[], file?: number, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe', ...(file === undefined ? [] : [file])],
      env: { ...withoutSecrets(process.env), LC_ALL: 'C', ...env },
      // Where what is mounted is no file's name, whatever is in the folder that we are in.
      cwd: '/',
    })
    let complaint = ''
    child.stderr!.on('data', (data: Buffer) => {
      complaint += data
    })
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ code: null, complaint: error.message, missing: error.code === 'ENOENT' }),
    )
    child.on('close', (code) => resolve({ code, complaint: complaint.trim(), missing: false }))
  })
}

function refused(folder: string, { complaint }: Outcome): KlosetError {
  return new KlosetError(
    'KLOSET_DENIED',
    `the system did not mount at ${folder}: ${complaint || 'it did not say why'}`,
    {
      hint: 'Where mounting is not permitted, as in many containers, the same tree can be served over WebDAV.',
      context: { folder },
    },
  )
}

function unsupported(why: string, cause?: unknown): KlosetError {
  return new KlosetError('KLOSET_UNSUPPORTED', why, { hint: 'The same tree can be served over WebDAV.', cause })
}
