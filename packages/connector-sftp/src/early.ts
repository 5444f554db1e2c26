/** Lets `promise` fail before somebody waits for it. Whoever does is told. */
export function early<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
