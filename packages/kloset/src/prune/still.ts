import type { Call } from '../connector/index.js'
import { isKlosetError } from '../errors.js'
import type { CommitLog, LogState } from '../log/index.js'

/**
 * Looks at a store as the log tells of it. What is being looked at may be pruned by others meanwhile: then it is looked at anew.
 * @throws what `look` throws, where the log did not move since
 */
export async function untilStill<T>(log: CommitLog, look: (state: LogState) => Promise<T>, call: Call): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const { state } = log
    try {
      return await look(state)
    } catch (error) {
      call.signal.throwIfAborted()
      if (!isKlosetError(error)) throw error
      await log.refresh(call)
      if (log.state.position === state.position || attempt === mostLooks) throw error
    }
  }
}

/** Others would have to prune all the time for more. */
const mostLooks = 5
