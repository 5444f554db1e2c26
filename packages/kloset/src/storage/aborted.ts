/**
 * Calls `stop` when `signal` is aborted; returns how to take that back. However many wait on a signal, it gets one listener:
 * runtimes warn of a leak from the eleventh on.
 */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const waiting = waitingOn.get(signal) ?? listenTo(signal)
  waiting.add(stop)
  return () => waiting.delete(stop)
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
