import type { WorkerFile, WorkerModule, WorkerSide } from '../../src/connector/index.js'
import { itemsOf, type Specs } from './support.js'

/** What a worker module does that a test wrote down; it runs on the thread of the test. */
export interface Script {
  readonly specs: Specs
  /** Makes the file of a path; `count` is how often it was opened before. */
  open(path: string, count: number): WorkerFile
  readonly opened: string[]
}

const scripts = new Map<number, Script>()

/** A worker module that plays a script. */
export function scriptedModule(script: Script): WorkerModule {
  const data = scripts.size
  scripts.set(data, script)
  return { url: new URL('./scripted-side.ts', import.meta.url), data }
}

/** A file that stays as it is. */
export function still(content: Uint8Array, changes: Partial<WorkerFile> = {}): WorkerFile {
  return {
    read(into, at) {
      const part = content.subarray(at, at + into.length)
      into.set(part)
      return part.length
    },
    changed: () => false,
    close: () => undefined,
    ...changes,
  }
}

export default function scriptedSide(data: unknown): WorkerSide {
  const script = scripts.get(data as number)!
  return {
    *scan() {
      const items = itemsOf(script.specs)
      for (let at = 0; at < items.length; at += 3) yield items.slice(at, at + 3)
    },
    open({ path }) {
      script.opened.push(path)
      return script.open(path, script.opened.filter((each) => each === path).length - 1)
    },
  }
}
