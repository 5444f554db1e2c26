// Back up a folder into an encrypted store, check it, and bring it back.
import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fs } from '@kloset/connector-fs'
import { createStore } from 'kloset'

const work = await mkdtemp(join(tmpdir(), 'kloset-example-'))
const notes = join(work, 'notes')
await mkdir(join(notes, 'ideas'), { recursive: true })
await writeFile(join(notes, 'ideas', 'first idea.txt'), 'Backups that are checked.\n')

// A store is a folder here; the passphrase is the only way in.
const store = await createStore(join(work, 'store'), {
  unlock: { passphrase: 'correct horse battery staple' },
  connectors: [fs],
})

const first = await store.backup(notes, { tags: ['example'] })
console.log(`${first.snapshot.id.slice(0, 8)}: ${first.totals.files} file, ${first.added.stored} bytes stored`)

await appendFile(join(notes, 'ideas', 'first idea.txt'), 'Backups that are restored.\n')
const second = await store.backup(notes)
console.log(`${second.snapshot.id.slice(0, 8)}: ${second.changes.changed} changed`)
assert.equal(second.failed.length, 0)

for await (const change of first.snapshot.diff(second.snapshot)) console.log(`  ${change.change} ${change.path}`)

// Reads every stored byte. A healthy store has no findings.
for await (const finding of store.check({ read: 'all' })) assert.fail(finding.message)

await store.restore(first.snapshot, join(work, 'restored'))
const restored = await readFile(join(work, 'restored', 'ideas', 'first idea.txt'), 'utf8')
assert.equal(restored, 'Backups that are checked.\n')

await store.close()
await rm(work, { recursive: true })
