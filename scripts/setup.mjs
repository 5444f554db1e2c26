// From a fresh clone to something that runs: installs the locked dependencies and builds every package.
// Says little when it goes well, and everything when it does not.
import { pnpm, runQuietly } from './run.mjs'

if (Number(process.versions.node.split('.')[0]) < 20) {
  console.error(`kloset needs Node 20 or newer; this is ${process.version}.`)
  process.exit(1)
}
step('Installing dependencies', ['install', '--frozen-lockfile', '--reporter=append-only'])
step('Building the packages', ['-r', '--workspace-concurrency=1', 'run', 'build'])

function step(title, args) {
  const start = performance.now()
  process.stdout.write(`${title} … `)
  const code = pnpm(args, { by: runQuietly })
  if (code !== 0) process.exit(code)
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`)
}
