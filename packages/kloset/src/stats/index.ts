export { stats } from './run.js'
