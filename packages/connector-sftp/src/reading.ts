import { abortable, KlosetError, type Paced, type Range } from 'kloset/connector'
import { early } from './early.js'
import { isAbsent } from './errors.js'
import { largestObject } from './object-names.js'
import { type Handle, type Session, StatusError } from './sftp/session.js'
import { readInto } from './transfer.js'

/** An object that is to be read. */
export interface Wanted {
  readonly session: Session
  readonly path: string
  readonly name: string
  /** What messages call the storage. */
  readonly location: string
  /** How many requests are on their way at once. */
  readonly depth: number
  readonly pace: Paced['pace']
  readonly signal: AbortSignal
}

/** All of an object, in two round trips. @throws KLOSET_NOT_FOUND */
export async function readWhole(wanted: Wanted): Promise<Uint8Array> {
  const { session, path, signal, depth, pace } = wanted
  // Asked for at the same time as the file is opened, and so by its name: it may be about another object that was there before.
  const looked = early(session.stat(path))
  return opened(wanted, async (handle) => {
    for (let found = await abortable(signal, looked), again = false; ; again = true) {
      const { type, size } = found
      if (type !== 'file' || size === undefined) throw missing(wanted)
      if (size > largestObject) throw tooLarge(wanted, size)
      const bytes = emptyBytes(size)
      const reading = early(readInto(session, handle, 0, bytes, depth, signal, pace))
      const beyond = early(session.read(handle, size, new Uint8Array(1)))
      if ((await reading) === size && (await abortable(signal, beyond)) === 0) return bytes
      if (again) throw changed(wanted)
      found = await abortable(signal, session.statHandle(handle))
    }
  })
}

/** A range of an object, in two round trips. @throws KLOSET_NOT_FOUND, also where it reaches beyond the end */
export async function readRange(wanted: Wanted, { offset, length }: Range): Promise<Uint8Array> {
  const { session, signal, depth, pace } = wanted
  return opened(wanted, async (handle) => {
    const bytes = emptyBytes(length)
    let refused: StatusError | undefined
    try {
      if (length > 0 && (await readInto(session, handle, offset, bytes, depth, signal, pace)) === length) return bytes
    } catch (error) {
      // Folders can be opened and not be read; what there is is looked at below.
      if (!(error instanceof StatusError)) throw error
      refused = error
    }
    const { type, size = 0 } = await abortable(signal, session.statHandle(handle))
    if (type !== 'file') throw missing(wanted)
    if (refused) throw refused
    if (offset + length > size) throw tooShort(wanted, size, offset + length)
    if (length > 0) throw changed(wanted)
    return bytes
  })
}

async function opened(wanted: Wanted, work: (handle: Handle) => Promise<Uint8Array>): Promise<Uint8Array> {
  const { session, path, signal } = wanted
  const opening = early(session.openFile(path))
  try {
    return await work(await abortable(signal, opening))
  } catch (error) {
    throw isAbsent(error) ? missing(wanted) : error
  } finally {
    // Nobody needs to wait for this.
    void early(opening.then((handle) => session.close(handle)))
  }
}

/** Memory that nothing else shares, not zeroed: every byte is read into before anyone sees it. */
function emptyBytes(length: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer.buffer, buffer.byteOffset, length)
}

function missing({ location, name }: Wanted): KlosetError {
  return new KlosetError('KLOSET_NOT_FOUND', `there is no ${name} in ${location}`, { context: { name } })
}

function tooShort({ location, name }: Wanted, size: number, end: number): KlosetError {
  const message = `${name} in ${location} has ${size} bytes, not the ${end} asked for`
  return new KlosetError('KLOSET_NOT_FOUND', message, { context: { name, size } })
}

function tooLarge({ location, name }: Wanted, size: number): KlosetError {
  const message = `${name} in ${location} has ${size} bytes, more than any object`
  return new KlosetError('KLOSET_LIMIT', message, { context: { name, size } })
}

function changed({ location, name }: Wanted): KlosetError {
  const message = `${name} in ${location} changed while it was read`
  return new KlosetError('KLOSET_BUSY', message, { retry: 'later', context: { name } })
}
