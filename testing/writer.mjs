// One of several processes that work on one store at once; see writers.ts. Its one argument is JSON, as `Role` there says.
// Writes a line for each snapshot that was committed, and for each that it forgot.

const role = JSON.parse(process.argv[2])
const built = (name) => import(new URL(`../packages/${name}/dist/index.js`, import.meta.url).href)
const { createEngine, openStore } = await built('kloset')
const { sourceOf } = await import(new URL('../packages/kloset/dist/connector.js', import.meta.url).href)
const { [role.export]: connector } = await built(role.package)

// The work is small: threads would only make eight processes into twenty-four.
const engine = createEngine({ workers: 0 })
const open = () =>
  openStore(role.location, {
    unlock: { plaintext: true },
    connectors: [connector],
    options: role.options,
    engine,
    ...(role.cache && { cache: { folder: role.cache } }),
  })

if (role.work === 'write') await write()
else await prune()
await engine.close()

async function write() {
  const store = await open()
  for (let round = 0; round < role.rounds; round++) {
    const rows = sourceOf({ type: 'rows', origin: `writer ${role.number}`, access: 'random' }, () =>
      filesOf(role.number, round),
    )
    const { snapshot, failed } = await store.backup(rows, { tags: [`writer-${role.number}`] })
    if (failed.length > 0) throw failed[0].error
    console.log(`committed ${snapshot.id}`)
  }
  await store.close()
}

/** Forgets most of what is there, and deletes what nobody needs any more, until the writers are done. */
async function prune() {
  const store = await open()
  let stop = false
  process.stdin
    .on('data', () => undefined)
    .on('end', () => {
      stop = true
    })
  while (!stop) {
    const old = []
    for await (const { id } of store.snapshots()) old.push(id)
    const forgotten = old.slice(0, Math.floor(old.length / 2))
    if (forgotten.length > 0) await store.forget(forgotten)
    for (const id of forgotten) console.log(`forgot ${id}`)
    // Without any delay or grace: the hardest case. Safety must not depend on either.
    const { purged } = await store.prune({ delay: 0, grace: role.grace })
    console.log(`purged ${purged.packs}`)
  }
  await store.close()
}

/** What a writer has in a round: some that all have, some of its own that stay, some that are new. */
function* filesOf(number, round) {
  for (let i = 0; i < 3; i++)
    yield { path: `shared/${(round + i) % 10}`, content: textOf(`shared ${(round + i) % 10}`) }
  yield { path: 'own/always', content: textOf(`writer ${number}`) }
  yield { path: 'own/now', content: textOf(`writer ${number}, round ${round}`) }
}

function textOf(seed) {
  return `${seed}\n`.repeat(200)
}
