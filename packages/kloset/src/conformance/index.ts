export { ConformanceError } from './assert.js'
export type { Case } from './case.js'
export { type ExpectedStorage, type StorageConformanceOptions, storageConformance } from './storage/index.js'
