/**
 * Shows the snapshots of an open store as folders: over WebDAV, or mounted through FUSE.
 *
 * @packageDocumentation
 */
export { type Mount, type MountOptions, mountStore } from './fuse/mount.js'
export type { Login } from './webdav/login.js'
export { type ServedRequest, serveWebdav, type WebdavOptions, type WebdavServer } from './webdav/server.js'
