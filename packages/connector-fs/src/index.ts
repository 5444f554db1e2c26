import type { Connector, Context, Location, Option } from 'kloset/connector'
import { fsDestination } from './destination.js'
import { defaultSettings, type RestoreSettings } from './site.js'
import { fsSource } from './source.js'
import { fsStorage } from './storage.js'

export { type CommandOptions, commandSource } from './command.js'
export { type FsDestinationOptions, fsDestination } from './destination.js'
export type { Holes, RestoreSettings } from './site.js'
export { type FsSourceOptions, fsListSources, fsSource } from './source.js'
export { type FsStorageOptions, fsStorage } from './storage.js'
export { stdinSource } from './streams.js'

const options: {
  readonly xattrs: Option & { readonly type: 'boolean'; readonly default: boolean }
  readonly owners: Option & { readonly type: 'string'; readonly default: string }
  readonly holes: Option & { readonly type: 'string'; readonly default: string }
  readonly 'trust-target': Option & { readonly type: 'boolean'; readonly default: boolean }
} = {
  xattrs: {
    type: 'boolean',
    default: true,
    describe: 'back up and restore extended attributes and access control lists',
  },
  owners: {
    type: 'string',
    default: defaultSettings.owners,
    oneOf: ['names', 'numbers'],
    describe: 'restore owners by their names, or by their numbers',
  },
  holes: {
    type: 'string',
    default: defaultSettings.holes,
    oneOf: ['keep', 'make', 'none'],
    describe: 'restore holes in files as they were, make holes of all zeros, or let files have none',
  },
  'trust-target': {
    type: 'boolean',
    default: defaultSettings.trustTarget,
    describe: 'where the system cannot hold folders open, restore as root also into folders that others can write to',
  },
}

/** Storage, source and destination on a filesystem: `/plain/path`, `file:///path`. */
export const fs: Connector<typeof options> = {
  contract: 1,
  name: 'fs',
  protocols: ['fs', 'file'],
  options,
  storage: (at: Location, { mode, signal }: Context<typeof options>) => fsStorage(at.path, { mode, signal }),
  source: (at: Location, { options: { xattrs } }: Context<typeof options>) => fsSource(at.path, { xattrs }),
  destination: (at: Location, { mode, options: { xattrs, owners, holes, ...more } }: Context<typeof options>) =>
    fsDestination(at.path, {
      mode: mode === 'create' ? 'create' : 'write',
      xattrs,
      owners: owners as RestoreSettings['owners'],
      holes: holes as RestoreSettings['holes'],
      trustTarget: more['trust-target'],
    }),
}

export default fs
