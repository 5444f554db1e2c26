/**
 * Reads restic repositories, so that their snapshots can be imported into a kloset store.
 *
 * @packageDocumentation
 */
export { noRepository } from './errors.js'
export { openRestic, type ResticOptions } from './repository.js'
