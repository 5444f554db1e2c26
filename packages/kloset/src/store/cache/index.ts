export { noteStoreAt, storeSeenAt } from './places.js'
export { dropStateUnless, keepState, keptPosition, keptState } from './state.js'
export { type CachePlace, cachePlace, StoreCache } from './store-cache.js'
