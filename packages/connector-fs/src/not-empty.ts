/**
 * An empty path is no path: mostly it is a variable that was not set, and the current folder, for which the system would take it, is not meant.
 * @throws TypeError
 */
export function notEmpty(path: string): string {
  if (path === '') throw new TypeError("the path is empty; the current folder is '.'")
  return path
}
