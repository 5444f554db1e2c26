// The servers of the remote benchmark, in a process of their own, since what is measured is waited for synchronously: prints where they are as one line
// of JSON, and stops them when its standard input ends. `--latency MS` puts a proxy in front of each, that delays every byte
// half of it each way, and another one, `line`, through which all connections together get at most `--line` bytes a second each way.
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createServer } from 'vite'
import { root } from '../scripts/run.mjs'

const { values: options } = parseArgs({
  options: { latency: { type: 'string', default: '50' }, line: { type: 'string', default: '125000000' } },
})
const half = Number(options.latency) / 2

const loader = await createServer({
  root,
  configFile: false,
  logLevel: 'error',
  appType: 'custom',
  server: { middlewareMode: true, hmr: false, watch: null, ws: false },
})
const { missingForS3, startS3 } = await loader.ssrLoadModule('/testing/servers/s3.ts')
const { missingForSsh, startSsh } = await loader.ssrLoadModule('/testing/servers/sshd.ts')
const { sharedLine, startProxy } = await loader.ssrLoadModule('/testing/proxy.ts')

const running = []
const servers = {}
for (const [name, missing, start] of [
  ['s3', missingForS3, startS3],
  ['sftp', missingForSsh, startSsh],
]) {
  if (missing() !== undefined) {
    console.error(`${name}: ${missing()}`)
    continue
  }
  const server = await start()
  running.push(server)
  const port = server.port ?? Number(new URL(server.endpoint).port)
  const far = await startProxy({ port })
  running.push(far)
  far.weather = { up: { latency: half }, down: { latency: half } }
  const line = await startProxy({ port })
  running.push(line)
  line.weather = {
    up: { shared: sharedLine(Number(options.line)) },
    down: { shared: sharedLine(Number(options.line)) },
  }
  servers[name] = { ...server, near: port, far: far.port, line: line.port }
  // The same host by another port is another line.
  if (server.knownHosts !== undefined) {
    const known = readFileSync(server.knownHosts, 'utf8')
    appendFileSync(server.knownHosts, known.replaceAll(`]:${port} `, `]:${far.port} `))
  }
}
console.log(JSON.stringify(servers))
await once(process.stdin.resume(), 'end')
for (const each of running.reverse()) await each.stop()
await loader.close()
process.exit(0)
