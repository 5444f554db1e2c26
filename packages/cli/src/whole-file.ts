import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A file that has its name only once all of it is there and will stay. It is private: what is written to it may be what others could not read where it came from. */
export class WholeFile {
  readonly #path: string
  readonly #temporary: string
  #file: Awaited<ReturnType<typeof open>> | undefined

  private constructor(path: string, temporary: string, file: Awaited<ReturnType<typeof open>>) {
    this.#path = path
    this.#temporary = temporary
    this.#file = file
  }

  /** Starts a file that is to be at `path`. */
  static async create(path: string): Promise<WholeFile> {
    const temporary = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}`)
    return new WholeFile(path, temporary, await open(temporary, 'wx', 0o600))
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#file!.writeFile(bytes)
  }

  /** Gives it its name, in the place of what had that before. */
  async commit(): Promise<void> {
    await this.#file!.sync()
    await this.#close()
    await rename(this.#temporary, this.#path)
    const folder = await open(dirname(this.#path), 'r')
    await folder.sync().finally(() => folder.close())
  }

  /** Leaves nothing of it, unless it was committed. */
  async abandon(): Promise<void> {
    await this.#close()
    await rm(this.#temporary, { force: true })
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
