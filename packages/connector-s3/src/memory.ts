import type { Context } from 'kloset/connector'

/** What is known of a place from having opened it before. */
export interface Remembered {
  /** Where the bucket is. */
  readonly region?: string | undefined
  /** Whether the server was seen to honour If-None-Match. One that did not is asked again: servers are updated. */
  readonly putIfAbsent?: boolean | undefined
}

/** What was remembered; nothing where it cannot be read. */
export async function recall(memory: Context['memory']): Promise<Remembered> {
  const text = await memory.get(key)
  try {
    const { region, putIfAbsent } = JSON.parse(text ?? '{}') as Record<string, unknown>
    return { region: typeof region === 'string' ? region : undefined, putIfAbsent: putIfAbsent === true }
  } catch {
    return {}
  }
}

export async function remember(memory: Context['memory'], what: Remembered): Promise<void> {
  const text = JSON.stringify(what)
  if ((await memory.get(key)) !== text) await memory.set(key, text)
}

const key = 's3'
