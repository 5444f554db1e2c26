#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'

// `version` is answered before anything is loaded, so that it costs what Node itself costs.

const [first, ...rest] = process.argv.slice(2)

if ((first === 'version' || first === '--version' || first === '-V') && rest.length === 0) {
  process.stdout.write(`kloset ${KLOSET_VERSION}\n`)
} else {
  // Flags that other versions do not know, and would complain of.
  if (process.versions.node.startsWith('20.')) {
    // A command lives for a few seconds, and on the two cores of a small machine half a second of them goes into optimising
    // functions that are soon done. Node 20 had better wait seven times longer with that, as later ones do by themselves.
    setFlagsFromString('--interrupt-budget=1000000')
    // What frees the memory of decrypted pieces at once (ES2024) is there, but has to be switched on, for threads that start after this.
    setFlagsFromString('--harmony-rab-gsab-transfer')
  }
  const { main } = await import('./program.js')
  process.exit(await main())
}
