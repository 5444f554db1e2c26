import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { command, environment, kloset, temporary } from './kloset.js'

const folder = temporary()
const bin = join(folder, 'bin')
const env = environment({ PATH: `${bin}:${process.env.PATH}`, XDG_CONFIG_HOME: join(folder, 'config') })

beforeAll(() => {
  mkdirSync(bin)
  writeFileSync(join(bin, 'kloset'), `#!/bin/sh\nexec '${process.execPath}' '${command}' "$@"\n`)
  chmodSync(join(bin, 'kloset'), 0o755)
  mkdirSync(join(folder, 'files/deep down'), { recursive: true })
  expect(kloset(['config', 'add', 'nas', 'sftp://nas/store', '--no-encryption'], { env }).code).toBe(0)
})

function there(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true']).status === 0
}

/** What `shell` prints that runs `script`, where the command's own completion is `$1` and the line `$2`. */
function ask(shell: string, script: string, line: string): string[] {
  const { stdout, stderr } = spawnSync(shell, ['-c', script, shell, kloset(['completion', shell]).stdout, line], {
    env,
    cwd: join(folder, 'files'),
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return stdout.split('\n').filter((word) => word !== '')
}

describe.skipIf(!there('bash'))('bash', () => {
  // What the shell itself does before it calls the function: words, broken at what it breaks them at.
  const script = `
    eval "$1"
    compopt() { :; }
    COMP_LINE="$2" COMP_POINT=\${#2}
    _kloset
    printf '%s\\n' "\${COMPREPLY[@]}"`
  test.each([
    ['kloset re', ['rename', 'restore']],
    ['kloset at @', ['nas']],
    ['kloset at @nas sync w', ['with']],
    ['kloset ls --pass', ['--passphrase-file', '--passphrase-command']],
    ['kloset backup dee', ['deep down']],
  ])('%s', (line, words) => {
    expect(ask('bash', script, line).sort()).toEqual([...words].sort())
  })
})

describe.skipIf(!there('fish'))('fish', () => {
  test.each([
    ['kloset re', ['rename', 'restore']],
    ['kloset at @n', ['@nas']],
    ['kloset backup dee', ['deep down/']],
  ])('%s', (line, words) => {
    const lines = ask('fish', 'echo $argv[2] | source; complete -C "$argv[3]"', line)
    expect(lines.map((each) => each.split('\t')[0]).sort()).toEqual([...words].sort())
  })
})

describe.skipIf(!there('zsh'))('zsh', () => {
  test('the script is one', () => {
    const { status, stderr } = spawnSync('zsh', ['-n', '-c', kloset(['completion', 'zsh']).stdout], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

test('an unknown shell is refused', () => {
  expect(kloset(['completion', 'tcsh'])).toMatchObject({ code: 2, stderr: expect.stringContaining('bash') })
})

test('--json tells words and scripts as docs/json.md has them', () => {
  expect(kloset(['completion', 'words', '--json', '--', 'vers'], { env }).json).toEqual([
    { type: 'word', value: 'version', description: 'show the version' },
  ])
  expect(kloset(['completion', 'fish', '--json']).json).toEqual([
    { type: 'script', shell: 'fish', script: kloset(['completion', 'fish']).stdout },
  ])
})
