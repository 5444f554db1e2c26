import { equalBytes } from '../bytes/index.js'
import type { Codec } from '../compress/index.js'
import type { OpenedStore } from '../store/opened.js'

/** Whether two stores cut and name everything alike: then chunks and nodes of one are chunks and nodes of the other. */
export function areAlike(a: OpenedStore, b: OpenedStore): boolean {
  const one = a.config.chunker
  const other = b.config.chunker
  return (
    one.min === other.min &&
    one.normal === other.normal &&
    one.max === other.max &&
    // They all follow from the family and its secret: where these are equal, so are the others.
    equalBytes(a.keyring.chunkKey, b.keyring.chunkKey) &&
    equalBytes(a.keyring.nodeKey, b.keyring.nodeKey)
  )
}

/**
 * The codecs whose frames go on as they are. A store that has a codec of its own gets nothing else, except what did not shrink; that it
 * did not is known only where the other store compresses.
 */
export function reusedCodecs(from: OpenedStore, to: OpenedStore): readonly Codec[] {
  const { codec } = to.config
  if (codec === 'none') return ['none']
  const compressed: readonly Codec[] = codec === 'auto' ? ['zstd', 'lz4', 'deflate'] : [codec]
  return from.config.codec === 'none' ? compressed : ['none', ...compressed]
}
