// The machine as Node shows it; a build for where `node:*` is absent puts constants here.
export { environment, hostName, nextTurn, userName } from './node/system.js'
export { parallelism, serveThread, startThread } from './node/threads.js'
