// Runs every example. Each is a program of its own that checks its own result; one that fails stops here.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const examples = readdirSync(new URL('.', import.meta.url)).filter(
  (name) => name.endsWith('.mjs') && name !== 'all.mjs',
)
for (const name of examples.sort()) {
  console.log(`── examples/${name}`)
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(name, import.meta.url))], { stdio: 'inherit' })
  if (status !== 0) {
    console.error(`examples/${name} failed`)
    process.exit(1)
  }
}
console.log(`\nAll ${examples.length} examples did what they say.`)
