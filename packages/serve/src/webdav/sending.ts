import type { ServerResponse } from 'node:http'

/** How many bytes of text are gathered before they are written. */
const fullText = 32 * 1024

/**
 * Sends a body as it comes, no faster than it is taken. `begin` writes the head once the first part is there, so that until then an error can still be answered; afterwards the
 * connection is cut, so that nobody takes what came for the whole.
 * @throws what reading the body throws; where the client went away, nothing
 */
export async function send(
  response: ServerResponse,
  body: AsyncIterable<Uint8Array | string>,
  begin: () => void,
): Promise<void> {
  let text = ''
  try {
    for await (const part of body) {
      if (response.destroyed) return
      if (typeof part === 'string') {
        text += part
        if (text.length < fullText) continue
      }
      if (!response.headersSent) begin()
      const room = response.write(typeof part === 'string' ? text : part)
      text = ''
      if (!room) await drained(response)
    }
  } catch (error) {
    if (response.headersSent) response.destroy()
    throw error
  }
  if (response.destroyed) return
  if (!response.headersSent) begin()
  response.end(text)
}

/** Resolves when more can be written, or nobody is there any more to take it. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
    if (response.destroyed) done()
  })
}
