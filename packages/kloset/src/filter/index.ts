export { compileFilter, type FilterContext } from './compile.js'
export { type PatternLinesOptions, patternLines } from './lines.js'
export { compilePatterns, type Verdict } from './pattern-list.js'
export { checkRules, type ExclusionReason, type FilterRules, isEmpty, type PatternRule, type TagRule } from './rules.js'
