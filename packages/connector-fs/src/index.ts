import type { Connector, Context, Location } from 'kloset/connector'
import { fsDestination } from './destination.js'
import { fsSource } from './source.js'
import { fsStorage } from './storage.js'

export { type FsDestinationOptions, fsDestination } from './destination.js'
export { fsListSources, fsSource } from './source.js'
export { type FsStorageOptions, fsStorage } from './storage.js'

/** Storage, source and destination on a filesystem: `/plain/path`, `file:///path`. */
export const fs: Connector = {
  contract: 1,
  name: 'fs',
  protocols: ['fs', 'file'],
  options: {},
  storage: (at: Location, { mode, signal }: Context) => fsStorage(at.path, { mode, signal }),
  source: (at: Location) => fsSource(at.path),
  destination: (at: Location, { mode }: Context) =>
    fsDestination(at.path, { mode: mode === 'create' ? 'create' : 'write' }),
}

export default fs
