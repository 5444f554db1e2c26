import type { Command } from 'commander'
import { exit } from '../exit.js'
import { outputOptions } from '../options.js'
import type { Session, Verb } from '../verb.js'

/** `kloset version`: the version of the program, and of what runs it. */
export const version: Verb = {
  storeless: true,

  define(command: Command) {
    outputOptions(command).addHelpText(
      'after',
      `
Examples:
  kloset version            kloset ${KLOSET_VERSION}
  kloset version -v         with the versions of Node.js and the platform
  kloset version --json     {"type":"version","kloset":"${KLOSET_VERSION}",…}

Exit codes: 0 done.`,
    )
  },

  async run(_args: readonly string[], _flags: unknown, { output }: Session) {
    const { version: node, platform, arch } = process
    if (output.json) await output.emit({ type: 'version', kloset: KLOSET_VERSION, node, platform, arch })
    else
      await output.print(`kloset ${KLOSET_VERSION}`, ...(output.verbose ? [`node ${node} on ${platform} ${arch}`] : []))
    return exit.done
  },
}
