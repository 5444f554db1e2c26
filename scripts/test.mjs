// Runs the tests of every package (see vitest.config.ts), says which were left out and how to have them, and ends with one plain line that
// sums them up.
// Arguments go to vitest: `npm test -- packages/kloset/test/pack` runs a part.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, temporaryFolder } from './run.mjs'
import { howToInstall, install, missing } from './system.mjs'

install()

const report = join(temporaryFolder('kloset-test'), 'report.json')
const code = run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
])
const { passed, failed, skipped } = count(report)
// An error outside any test (a worker that crashed, a rejection nobody handled) fails the run too, and must show in the sum.
const outside = code !== 0 && failed === 0 ? 1 : 0
if (outside > 0) console.log('\nNo test failed, but vitest reported an error outside of the tests: see above.')
tellWhatIsMissing()
console.log(`\n${passed} passed, ${failed + outside} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = code === 0 && failed === 0 ? 0 : 1

function tellWhatIsMissing() {
  const lacking = missing()
  if (lacking.length === 0) return
  console.log('\nTests were left out, because this machine lacks what they need:')
  for (const { what, packages } of lacking) console.log(`  ${what}: ${howToInstall(packages)}`)
}

function count(file) {
  // Vitest did not get as far as running anything.
  if (!existsSync(file)) return { passed: 0, failed: 0, skipped: 0 }
  const { numPassedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(readFileSync(file, 'utf8'))
  const failed = testResults.map((result) => {
    const tests = result.assertionResults.filter((test) => test.status === 'failed').length
    return result.status === 'failed' ? Math.max(1, tests) : tests
  })
  return { passed: numPassedTests, failed: failed.reduce((a, b) => a + b, 0), skipped: numPendingTests + numTodoTests }
}
