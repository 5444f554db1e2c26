// The filesystem connector names its worker's part by a file beside the bundle.
export { default } from '@kloset/connector-fs/worker'
