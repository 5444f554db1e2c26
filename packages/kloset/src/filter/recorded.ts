import { type FilterRules, isEmpty, patternRule } from './rules.js'

/** The rules as a snapshot records them; undefined where they leave nothing out. Where patterns come from is not kept, nor are more than fit. */
export function recordedRules(rules: FilterRules): Readonly<Record<string, unknown>> | undefined {
  if (isEmpty(rules)) return undefined
  const { patterns = [], ignoreFiles, excludeCaches, excludeIfPresent, excludeLargerThan, oneFileSystem } = rules
  const kept: (string | { readonly pattern: string; readonly ignoreCase: true })[] = []
  let left = mostCharacters
  for (const each of patterns) {
    const { pattern, ignoreCase } = patternRule(each)
    left -= JSON.stringify(pattern).length
    if (left < 0) break
    kept.push(ignoreCase ? { pattern, ignoreCase } : pattern)
  }
  return {
    ...(kept.length > 0 && { patterns: kept }),
    ...(kept.length < patterns.length && { morePatterns: patterns.length - kept.length }),
    ...(ignoreFiles?.length && { ignoreFiles }),
    ...(excludeCaches && { excludeCaches }),
    ...(excludeIfPresent?.length && { excludeIfPresent }),
    ...(excludeLargerThan !== undefined && { excludeLargerThan }),
    ...(oneFileSystem && { oneFileSystem }),
  }
}

/** An entry of the log has 64 KiB for all that a snapshot says of itself. */
const mostCharacters = 8 * 1024
