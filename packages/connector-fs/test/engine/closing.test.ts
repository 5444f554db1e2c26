import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { places, someFiles } from './tools.js'

const place = places()

it('an engine that is closed while a scan is under way ends, and so does the process', async () => {
  const source = someFiles(place(), 50)
  const program = `
    import { createEngine, openSource } from 'kloset'
    import { fs } from '@kloset/connector-fs'
    const engine = createEngine({ workers: 2 })
    engine.scanAhead(await openSource(${JSON.stringify(source)}, { connectors: [fs] }))
    await engine.close()
    console.log('closed')
  `
  // Unsettled promises at the top end a process with code 13.
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: new URL('../../../../examples', import.meta.url),
  })
  expect(stdout).toBe('closed\n')
})
