import { noHost, type WorkerHost, type WorkerModule, type WorkerSide } from 'kloset/connector'
import { openCurrent } from './current.js'
import { Folders } from './folders.js'
import type { LeftOutData } from './left-out.js'
import { Listed } from './listed.js'
import { finishEntry, makeEntry } from './making.js'
import { createOutput } from './output.js'
import { OwnerNumbers } from './owners.js'
import { Protected, type ProtectedData } from './protected.js'
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
  | DestinationData

/** What the worker's part of a destination is told. */
export interface DestinationData {
  readonly role: 'destination'
  readonly root: string
  readonly settings?: RestoreSettings
  /** The root as the main thread holds it open. */
  readonly descriptor?: number | undefined
  readonly protects?: ProtectedData | undefined
}

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
      return destinationSide(siteOf(data, host))
    default:
      return data satisfies never
  }
}

/** A folder to restore into. */
export function siteOf(data: Omit<DestinationData, 'role'>, host: WorkerHost = noHost): Site {
  const { root, settings = defaultSettings, descriptor, protects } = data
  return {
    folders: new Folders(root, {
      descriptor,
      trustsOthers: settings.trustTarget,
      ...(protects && { protects: new Protected(protects) }),
    }),
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
    open: (entry) => openCurrent(site.folders, entry),
    close: () => site.folders.close(),
  }
}
