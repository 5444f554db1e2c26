import { isKlosetError } from '../errors.js'

/**
 * Reads something and makes sense of it. What turns out damaged is read again before that is believed: a network, or the memory of a
 * server, may have changed bytes on the way. What is wrong each time is damaged, and `open`'s error is thrown.
 */
export async function readSoundly<B, T>(read: () => Promise<B>, open: (bytes: B) => T, attempts = 3): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const bytes = await read()
    try {
      return open(bytes)
    } catch (error) {
      if (attempt >= attempts || !looksDamaged(error)) throw error
    }
  }
}

/** Whether an error may come from bytes that changed; a version that nobody knows often does. */
export function looksDamaged(error: unknown): boolean {
  return isKlosetError(error) && (error.code.endsWith('_CORRUPT') || error.code === 'KLOSET_VERSION')
}
