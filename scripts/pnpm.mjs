// `npm run pnpm -- …` and the scripts of package.json: the pinned pnpm, without installing it.
import { pnpm } from './run.mjs'

process.exitCode = pnpm(process.argv.slice(2))
