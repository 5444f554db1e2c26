#!/usr/bin/env node
// `version` is answered before anything is loaded, so that it costs what Node itself costs.

const [first, ...rest] = process.argv.slice(2)

if ((first === 'version' || first === '--version' || first === '-V') && rest.length === 0) {
  process.stdout.write(`kloset ${KLOSET_VERSION}\n`)
} else {
  const { main } = await import('./program.js')
  process.exit(await main())
}

export {}
