import { noHost, type WorkerHost, type WorkerModule, type WorkerSide } from 'kloset/connector'
import { Folders } from './folders.js'
import type { LeftOutData } from './left-out.js'
import { Listed } from './listed.js'
import { finishEntry, makeEntry } from './making.js'
import { createOutput } from './output.js'
import { OwnerNumbers } from './owners.js'
import { openFile } from './reading.js'
import type { SourceRoot } from './roots.js'
import { scan } from './scan.js'
import { defaultSettings, type RestoreSettings, type Site } from './site.js'

/** What a worker is told: which role to play, and where. */
export type WorkerData =
  | {
      readonly role: 'source'
      readonly root: SourceRoot
      readonly listed?: readonly string[] | undefined
      /** Whether extended attributes are read, which is the default. */
      readonly xattrs?: boolean
      readonly leftOut?: LeftOutData | undefined
    }
  | { readonly role: 'destination'; readonly root: string; readonly settings?: RestoreSettings }

/** The module that plays a role in the engine's workers. It lies beside the bundle that this code is in. */
export function workerModule(data: WorkerData): WorkerModule {
  return { url: new URL('./fs-worker.js', import.meta.url), data }
}

/** The worker's part of a source or destination. */
export function workerSide(data: WorkerData, host: WorkerHost = noHost): WorkerSide {
  switch (data.role) {
    case 'source': {
      const listed = data.listed && new Listed(data.listed)
      return {
        scan: (filter, under) => scan(data.root, filter, under, { listed, xattrs: data.xattrs, leftOut: data.leftOut }),
        open: (entry) => openFile(data.root, listed, entry),
      }
    }
    case 'destination':
      return destinationSide(siteOf(data.root, data.settings, host))
    default:
      return data satisfies never
  }
}

/** A folder to restore into. */
export function siteOf(root: string, settings: RestoreSettings = defaultSettings, host: WorkerHost = noHost): Site {
  return {
    folders: new Folders(root),
    owners: new OwnerNumbers(settings.owners),
    settings,
    leftOut: (kind) => host.leftOut(kind),
  }
}

function destinationSide(site: Site): WorkerSide {
  return {
    create: (entry, handle) => createOutput(site, entry, handle),
    make: (entry) => makeEntry(site, entry),
    finish: (entry) => finishEntry(site, entry),
  }
}
