import { readFile } from 'node:fs/promises'
import type { TestProject } from 'vitest/node'

/**
 * Starts a server for all projects of a run of vitest, where one of its test files asks for it by calling `asking`, and none is given
 * by the environment already. Returns what stops it.
 */
export async function startOnce(
  project: TestProject,
  { asking, variable, missing, start }: Server,
): Promise<(() => Promise<void>) | undefined> {
  if (process.env[variable] || !(await asks(project, asking)) || missing() !== undefined) return undefined
  const server = await start()
  process.env[variable] = JSON.stringify(server)
  return async () => {
    delete process.env[variable]
    await server.stop()
  }
}

/** A server and how it is given to tests. */
export interface Server {
  /** The function of given.ts that tests call. */
  readonly asking: string
  /** The environment variable that hands it over. */
  readonly variable: string
  /** Why none can be started here. */
  missing(): string | undefined
  start(): Promise<{ stop(): Promise<void> }>
}

// A server takes seconds to start, which a run of a few unit tests should not wait for.
async function asks(project: TestProject, asking: string): Promise<boolean> {
  // The paths that were asked for on the command line; vitest keeps them to itself.
  const { filenamePattern } = project.vitest as { readonly filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(filenamePattern)
  const texts = await Promise.all(testFiles.map((file) => readFile(file, 'utf8')))
  return texts.some((text) => text.includes(`${asking}(`))
}
