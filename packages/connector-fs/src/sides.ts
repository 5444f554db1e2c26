import type { WorkerModule, WorkerSide } from 'kloset/connector'

import { Folders } from './folders.js'
import { Listed } from './listed.js'
import { finishEntry, makeEntry } from './making.js'
import { createOutput } from './output.js'
import { openFile } from './reading.js'
import type { SourceRoot } from './roots.js'
import { scan } from './scan.js'

/** What a worker is told: which role to play, and where. */
export type WorkerData =
  | { readonly role: 'source'; readonly root: SourceRoot; readonly listed?: readonly string[] | undefined }
  | { readonly role: 'destination'; readonly root: string }

/** The module that plays a role in the engine's workers. It lies beside the bundle that this code is in. */
export function workerModule(data: WorkerData): WorkerModule {
  return { url: new URL('./fs-worker.js', import.meta.url), data }
}

/** The worker's part of a source or destination. */
export function workerSide(data: WorkerData): WorkerSide {
  switch (data.role) {
    case 'source':
      return {
        scan: (filter, under) => scan(data.root, filter, under, data.listed && new Listed(data.listed)),
        open: (entry) => openFile(data.root.folder, entry),
      }
    case 'destination':
      return destinationSide(data.root)
    default:
      return data satisfies never
  }
}

function destinationSide(root: string): WorkerSide {
  const folders = new Folders(root)
  return {
    create: (entry, handle) => createOutput(folders, entry, handle),
    make: (entry) => makeEntry(folders, entry),
    finish: (entry) => finishEntry(folders, entry),
  }
}
