import type { TestProject } from 'vitest/node'
import { variables } from './given.js'
import { startOnce } from './once.js'
import { missingForS3, startS3 } from './servers/s3.js'

/** For `globalSetup` of a project whose tests call `givenS3`. */
export default function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  return startOnce(project, { asking: 'givenS3', variable: variables.s3, missing: missingForS3, start: startS3 })
}
