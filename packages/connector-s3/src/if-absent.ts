import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { isKlosetError, KlosetError } from 'kloset/connector'
import type { Client } from './client.js'
import { temporaryFolder } from './object-names.js'

/**
 * Whether of puts with `If-None-Match: *` that race for one name exactly one wins here: tries it, with an object that is no part of
 * the store and is removed. There are servers that ignore the condition, and those that look before they write.
 */
export async function honoursIfAbsent(client: Client, racers: number, signal: AbortSignal): Promise<boolean> {
  for (let round = 0; round < rounds; round++) {
    const key = `${client.address.prefix}${temporaryFolder}/probe-${randomBytes(8).toString('hex')}`
    const outcomes = await Promise.allSettled(
      Array.from({ length: racers }, (_, racer) => putIfAbsent(client, key, racer, signal)),
    )
    const answers = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined))
    if (answers.includes('stored')) await removeProbe(client, key, signal)
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure !== undefined) throw failure.reason
    if (answers.includes('unknown')) return false
    const winners = answers.filter((answer) => answer === 'stored').length
    if (winners > 0) return winners === 1
  }
  throw undecided(client)
}

// All of them lose when the server tells each that another is in the way. That hardly happens, and not three times.
const rounds = 3

/** API: PutObject */
async function putIfAbsent(client: Client, key: string, racer: number, signal: AbortSignal) {
  const answer = await patiently(signal, () =>
    client.send({
      method: 'PUT',
      key,
      headers: { 'if-none-match': '*', 'content-type': 'application/octet-stream' },
      body: Uint8Array.of(racer),
      signal,
      doing: `write to ${client.address.location}`,
      expect: [409, 412, 501],
    }),
  )
  if (answer.status === 501) return 'unknown'
  return answer.status < 300 ? 'stored' : 'lost'
}

/** A server that asks to be left alone for a while is asked again, each racer for itself: one of eight that is refused must not fail them all. */
async function patiently<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act()
    } catch (error) {
      if (!isKlosetError(error, 'KLOSET_BUSY') || attempt === attempts) throw error
      const wait = Math.min(error.retryAfter ?? 0, longestWait) || 100 * 2 ** attempt
      await setTimeout(wait * (0.5 + Math.random()), undefined, { signal })
    }
  }
}

const attempts = 8

/** Milliseconds; who is asked to wait longer tries the whole opening again later. */
const longestWait = 10_000

/** Where it cannot be removed now, it is left: it is one byte, and nobody lists it. */
async function removeProbe(client: Client, key: string, signal: AbortSignal): Promise<void> {
  const doing = `remove from ${client.address.location}`
  await client.send({ method: 'DELETE', key, signal, doing, expect: [404] }).catch(() => signal.throwIfAborted())
}

function undecided({ address }: Client): KlosetError {
  return new KlosetError('KLOSET_BUSY', `cannot find out whether ${address.location} knows put-if-absent`, {
    retry: 'later',
    context: { location: address.location },
    hint: 'Try again, or say so with the option if-absent.',
  })
}
