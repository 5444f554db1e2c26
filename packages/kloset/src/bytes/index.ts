export type { Bytes } from './bytes.js'
export { compareBytes, concatBytes, equalBytes, fromHex, text, toHex, utf8 } from './bytes.js'
export { ByteReader, MalformedError, textOf } from './reader.js'
export { ByteWriter } from './writer.js'
