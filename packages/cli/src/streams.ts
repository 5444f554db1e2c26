import { fstatSync } from 'node:fs'
import type { Source } from 'kloset/connector'
import { UsageError } from './exit.js'
import { harmless } from './render/names.js'
import type { Session } from './verb.js'

/** The options of a verb that saves a stream instead of folders. */
export interface StreamFlags {
  readonly stdinName?: string
  readonly fromCommand?: boolean
}

/**
 * The stream that the command line asks for: `-`, standard input, or with `--from-command` what a command prints, which stands after `--`.
 * Undefined where it asks for folders.
 * @throws UsageError where it asks for more than one thing
 */
export async function streamOf(
  args: readonly string[],
  { stdinName: name, fromCommand }: StreamFlags,
  { literal, output }: Session,
): Promise<Source | undefined> {
  if (name !== undefined) await requireName(name)
  const { commandSource, stdinSource } = await import('@kloset/connector-fs')
  if (fromCommand) {
    if (literal.length === 0)
      throw new UsageError('--from-command without a command', 'Write it at the end: --from-command -- pg_dump mydb')
    if (args.length > literal.length)
      throw new UsageError('a command is saved alone, without folders', 'Make a snapshot of each.')
    if (literal.some((argument) => /\p{Surrogate}/u.test(argument)))
      throw new UsageError('an argument of the command is not UTF-8, and cannot be handed on')
    return commandSource(literal, { name, onMessage: (line) => output.error(harmless(line)) })
  }
  if (!args.includes('-')) {
    if (name === undefined) return undefined
    throw new UsageError('--stdin-name without a stream', 'Say where it comes from: - or --from-command')
  }
  if (args.length > 1)
    throw new UsageError('standard input is saved alone, without folders', 'Make a snapshot of each. A folder: ./-')
  if (process.stdin.isTTY)
    throw new UsageError('standard input is a terminal', 'Send something into it: pg_dump mydb | kloset backup -')
  // Node would show it as empty.
  if (fstatSync(0).isDirectory())
    throw new UsageError('standard input is a folder', 'Name the folder instead of -, or send a file: - < FILE')
  return stdinSource(name)
}

async function requireName(name: string): Promise<void> {
  const { checkPath } = await import('kloset/connector')
  try {
    if (checkPath(name) !== '') return
  } catch {
    // Told below.
  }
  throw new UsageError(
    `a file of a snapshot cannot be called '${harmless(name)}'`,
    'Write a name, or a path without a slash at its start: --stdin-name db/dump.sql',
  )
}
