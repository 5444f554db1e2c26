import type { TestProject } from 'vitest/node'
import { variables } from './given.js'
import { startOnce } from './once.js'
import { missingForSsh, startSsh } from './servers/sshd.js'

/** For `globalSetup` of a project whose tests call `givenSsh`. */
export default function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  return startOnce(project, { asking: 'givenSsh', variable: variables.ssh, missing: missingForSsh, start: startSsh })
}
