import type { Connector, Context, Location } from 'kloset/connector'
import { type SftpSchema, sftpOptions } from './options.js'

export { type SftpSchema, type SftpSettings, sftpOptions } from './options.js'
export { serverOf } from './server.js'

/** Storage on any SSH server: `sftp://user@host:port/absolute/path`, or `sftp://host/~/path` below the home folder. */
export const sftp: Connector = {
  contract: 1,
  name: 'sftp',
  protocols: ['sftp'],
  options: sftpOptions,
  async storage(at: Location, context: Context) {
    // Apps know this connector whether or not they use it: what speaks SSH is loaded when a storage is opened.
    const { sftpStorage } = await import('./storage.js')
    // Filled by the schema above.
    return sftpStorage(at, context as Context<SftpSchema>)
  },
}

export default sftp
