import { closeSync, openSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { Interrupted } from './exit.js'

/** Whether there is a person to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true
}

/**
 * Asks on the terminal for something that is not shown while it is typed. Understands backspace and Ctrl-U; Ctrl-C and Ctrl-D
 * end the command. What was pasted beyond the line answers the next question.
 * @throws Interrupted
 */
export async function askHidden(question: string, signal: AbortSignal): Promise<string> {
  const { stdin } = process
  // First silence, then the question: what a quick hand types is not shown either.
  stdin.setRawMode(true)
  show(`${question}: `)
  stdin.resume()
  try {
    const line = new HiddenLine()
    let rest = line.take(ahead)
    while (rest === undefined) rest = line.take(await nextData(signal))
    ahead = rest
    return line.text
  } finally {
    stdin.pause()
    stdin.setRawMode(false)
    show('\n')
  }
}

/** Asks on the terminal a question whose answer is yes or no. @throws Interrupted */
export async function askYesNo(question: string, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const answer = (await askOpenly(`${question} (yes/no)`, signal)).trim().toLowerCase()
    if (['y', 'yes'].includes(answer)) return true
    if (['n', 'no'].includes(answer)) return false
  }
}

/** Asks on the terminal for a line, which is seen while it is typed. @throws Interrupted */
export async function askOpenly(question: string, signal: AbortSignal): Promise<string> {
  const { stdin } = process
  show(`${question}: `)
  stdin.resume()
  try {
    // The terminal itself lets a line be corrected, and hands it over with Enter.
    let text = ahead
    while (!text.includes('\n')) text += await nextData(signal)
    const end = text.indexOf('\n')
    ahead = text.slice(end + 1)
    return text.slice(0, end).replace(/\r$/, '')
  } finally {
    stdin.pause()
  }
}

/** A line being typed: takes characters until Enter. */
export class HiddenLine {
  #characters: string[] = []

  /** What was typed so far. */
  get text(): string {
    return this.#characters.join('')
  }

  /** Takes what came from the terminal; what is left after Enter, or undefined where the line goes on. @throws Interrupted */
  take(data: string): string | undefined {
    // Cursor keys and the marks around a paste are no part of a passphrase.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they start with ESC.
    const characters = [...data.replace(/\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.)/g, '')]
    for (let at = 0; at < characters.length; at++) {
      const character = characters[at]!
      if (character === '\r' || character === '\n') return characters.slice(at + 1).join('')
      if (character === '\x03' || (character === '\x04' && this.#characters.length === 0)) throw new Interrupted()
      if (character === '\x7f' || character === '\b') this.#characters.pop()
      else if (character === '\x15') this.#characters = []
      else if (character >= ' ') this.#characters.push(character)
    }
    return undefined
  }
}

let ahead = ''
const decoder = new StringDecoder('utf8')

function nextData(signal: AbortSignal): Promise<string> {
  const { stdin } = process
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      stdin.off('data', take).off('end', end).off('error', end)
      signal.removeEventListener('abort', end)
    }
    const take = (data: Buffer): void => {
      stop()
      resolve(decoder.write(data))
    }
    const end = (): void => {
      stop()
      reject(new Interrupted())
    }
    stdin.on('data', take).on('end', end).on('error', end)
    signal.addEventListener('abort', end)
  })
}

// To the terminal itself, so that the question is seen also where stderr goes to a file.
function show(text: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(text)
    return
  }
  try {
    const terminal = openSync('/dev/tty', 'w')
    writeSync(terminal, text)
    closeSync(terminal)
  } catch {
    process.stderr.write(text)
  }
}
