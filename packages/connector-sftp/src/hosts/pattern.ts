/** Whether a host's name matches a pattern of OpenSSH's files (ssh_config(5), PATTERNS): `*` stands for any characters and `?` for one. */
export function matchesPattern(text: string, pattern: string): boolean {
  let [at, from] = [0, 0]
  // Where the last star was, and how much it took so far.
  let [star, taken] = [-1, 0]
  while (at < text.length) {
    if (pattern[from] === '*') {
      star = from++
      taken = at
    } else if (from < pattern.length && (pattern[from] === '?' || pattern[from] === text[at])) {
      from++
      at++
    } else if (star >= 0) {
      from = star + 1
      at = ++taken
    } else return false
  }
  while (pattern[from] === '*') from++
  return from === pattern.length
}
