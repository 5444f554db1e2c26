// A module of its own, which is loaded only where there is a configuration. (Of a CommonJS package that is imported dynamically, the bundle
// would have a default export only.)
export { parseDocument } from 'yaml'
