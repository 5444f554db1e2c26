import type { Document, Node, YAMLMap } from 'yaml'
import { Failure } from './exit.js'
import { messageOf } from './render/errors.js'

/** A YAML file whose values are their own text, so that a password may be `007`, `1e5` or `~`; what is odd in it is reported with its line. */
export class WrittenFile {
  readonly document: Document.Parsed
  readonly #text: string
  readonly #file: string

  /** @throws Failure where it is not YAML */
  static async parse(text: string, file: string): Promise<WrittenFile> {
    const { parseDocument } = await import('./yaml.js')
    const document = parseDocument(text, { schema: 'failsafe' })
    const [error] = document.errors
    if (error === undefined) return new WrittenFile(document, text, file)
    throw new Failure(`${file} is not YAML: ${messageOf(error).split('\n')[0]}`, 'Correct it in an editor.')
  }

  private constructor(document: Document.Parsed, text: string, file: string) {
    this.document = document
    this.#text = text
    this.#file = file
  }

  /** All of it, as plain data: texts, lists, and names with values. */
  get content(): unknown {
    return this.document.toJS()
  }

  /** What has names and values; nothing where nothing stands. @throws Failure for anything else, and for a name that is not `known` */
  members(value: unknown, path: readonly string[], where: string, known?: readonly string[]): Record<string, unknown> {
    if (value === undefined || value === null || value === '') return {}
    if (typeof value !== 'object' || Array.isArray(value)) throw this.odd(path, `${where} has no names and values`)
    const unknown = known && Object.keys(value).find((key) => !known.includes(key))
    if (unknown === undefined) return value as Record<string, unknown>
    const what = `${where} has \`${unknown}\`, which means nothing`
    throw this.odd([...path, unknown], what, `Known are: ${known!.join(', ')}.`)
  }

  /** A text; undefined where the name does not stand in the file. @throws Failure for anything else, and for an empty one */
  text(value: unknown, path: readonly string[], where: string): string | undefined {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw this.odd(path, `${where} is no text`)
  }

  /** A failure that says in which line. */
  odd(
    path: readonly string[],
    what: string,
    hint = 'Correct the file: `kloset help config` shows what it looks like.',
  ): Failure {
    const line = this.#lineOf(path)
    return new Failure(`${this.#file}${line === undefined ? '' : `, line ${line}`}: ${what}`, hint)
  }

  /** Where the last name of `path` stands; undefined where it does not stand below the others itself. */
  #lineOf(path: readonly string[]): number | undefined {
    const above = this.document.getIn(path.slice(0, -1), true) as YAMLMap<Node> | undefined
    const pair = above?.items?.find(({ key }) => String(key) === path.at(-1))
    const start = pair?.key.range?.[0]
    return start === undefined ? undefined : this.#text.slice(0, start).split('\n').length
  }
}
