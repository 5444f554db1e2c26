import { Argument, type Command } from 'commander'
import { candidatesFor } from '../completion/candidates.js'
import { type Shell, scripts, shells } from '../completion/shells.js'
import { readConfiguration } from '../configuration.js'
import { exit } from '../exit.js'
import { outputOptions } from '../options.js'
import { verbs } from '../program.js'
import type { Session, Verb } from '../verb.js'

/** `kloset completion`: what a shell needs so that Tab completes command lines. */
export const completion: Verb = {
  storeless: true,

  define(command: Command) {
    command
      .addArgument(new Argument('<SHELL>', 'which shell').choices([...shells, 'words']))
      .argument('[WORD...]')
      .usage('bash|zsh|fish')
      .description(
        'Print a script that makes Tab complete verbs, options, their values, names of the configuration, and files. ' +
          'It asks the installed kloset, so it need not be made anew for another version; no store is opened.',
      )
    outputOptions(command).addHelpText(
      'after',
      `
Examples:
  kloset completion fish > ~/.config/fish/completions/kloset.fish
  source <(kloset completion bash)             in ~/.bashrc
  source <(kloset completion zsh)              in ~/.zshrc, after compinit
  kloset completion words -- at @nas re        what the scripts ask

Exit codes: 0 done, 2 usage.`,
    )
  },

  async run([shell, ...words]: readonly string[], _flags: unknown, { output }: Session) {
    if (shell === 'words') {
      const { words: found, files } = await candidatesFor(words, { verbs, locations })
      for (const { value, description } of found) {
        if (output.json) await output.emit({ type: 'word', value, description })
        else await output.print(`${value}\t${description}`)
      }
      if (files && !output.json) await output.print(':files')
      return exit.done
    }
    const script = scripts[shell as Shell]
    if (output.json) await output.emit({ type: 'script', shell, script })
    else await output.write(script)
    return exit.done
  },
}

/** A configuration that cannot be read is told by every other verb. */
async function locations(): Promise<Iterable<string>> {
  return (await readConfiguration().catch(() => undefined))?.locations.keys() ?? []
}
