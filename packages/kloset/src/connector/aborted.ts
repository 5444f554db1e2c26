/**
 * Calls `stop` when `signal` is aborted; returns how to take that back. However many wait on a signal, it gets one listener:
 * runtimes warn of a leak from the eleventh on.
 */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const waiting = waitingOn.get(signal) ?? listenTo(signal)
  waiting.add(stop)
  return () => waiting.delete(stop)
}

/** What `promise` resolves to, or the signal's reason as soon as it is aborted. What is going on goes on, and nobody minds its failure. */
export function abortable<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => undefined)
      return reject(signal.reason)
    }
    const forget = onAbort(signal, () => reject(signal.reason))
    promise.then(resolve, reject).finally(forget)
  })
}

const waitingOn = new WeakMap<AbortSignal, Set<() => void>>()

function listenTo(signal: AbortSignal): Set<() => void> {
  const waiting = new Set<() => void>()
  waitingOn.set(signal, waiting)
  signal.addEventListener('abort', () => {
    for (const stop of waiting) stop()
    waiting.clear()
  })
  return waiting
}
