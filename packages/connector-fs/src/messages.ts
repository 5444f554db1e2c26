import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { StringDecoder } from 'node:string_decoder'

/** The lines that a program writes to stderr: each is told, and the last few are kept. */
export class Messages {
  /** Resolves when no more will come. */
  readonly ended: Promise<void>
  readonly last: string[] = []
  readonly #onMessage: ((line: string) => void) | undefined
  readonly #decoder = new StringDecoder('utf8')
  #line = ''

  constructor(from: Readable, onMessage: ((line: string) => void) | undefined) {
    this.#onMessage = onMessage
    from.on('data', (bytes: Buffer) => this.#add(this.#decoder.write(bytes)))
    this.ended = finished(from).then(
      () => this.#end(),
      () => this.#end(),
    )
  }

  #add(text: string): void {
    const lines = (this.#line + text).split(/\r\n|\n|\r(?!$)/)
    this.#line = lines.pop()!
    for (const line of lines) this.#tell(line)
    if (this.#line.length < longestLine) return
    this.#tell(this.#line)
    this.#line = ''
  }

  #end(): void {
    this.#add(this.#decoder.end())
    if (this.#line !== '') this.#tell(this.#line)
  }

  #tell(line: string): void {
    this.#onMessage?.(line)
    if (line.trim() === '') return
    this.last.push(line.slice(0, longestKept))
    if (this.last.length > mostKept) this.last.shift()
  }
}

/** What goes on for longer without an end is told in parts, in characters. */
const longestLine = 8_192

const longestKept = 300
const mostKept = 10
