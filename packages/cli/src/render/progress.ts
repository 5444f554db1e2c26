import type { Progress } from 'kloset'
import { bytes, count, counted } from './bytes.js'
import { lastColumns, shown, widthOf } from './names.js'
import { clock } from './times.js'

/** Bytes a second over the last seconds, so that the rate follows what happens now. */
export class Rate {
  readonly #samples: { elapsed: number; bytes: number }[] = []

  /** Takes the newest state and returns the rate, undefined while there is too little to tell. */
  next(now: Pick<Progress, 'elapsed' | 'bytes'>): number | undefined {
    this.#samples.push({ elapsed: now.elapsed, bytes: now.bytes })
    while (this.#samples.length > 2 && now.elapsed - this.#samples[0]!.elapsed > 8000) this.#samples.shift()
    const first = this.#samples[0]!
    const span = now.elapsed - first.elapsed
    return span < 500 ? undefined : Math.max(0, ((now.bytes - first.bytes) * 1000) / span)
  }
}

/** One line that tells how far the work is, at most `width` columns wide; the path takes the room that is left. */
export function progressLine(now: Progress, rate: number | undefined, width: number): string {
  const done = now.total ? `${bytes(now.bytes)} of ${bytes(now.total.bytes)}` : bytes(now.bytes)
  // Files are found and read at the same time: once there are bytes, reading is what takes the time.
  const parts: string[] = [now.phase === 'scan' && now.bytes > 0 ? phases.read : phases[now.phase]]
  if (now.files > 0) parts.push(`${count(now.files)} files`)
  parts.push(done)
  if (rate !== undefined) parts.push(`${bytes(Math.round(rate))}/s`)
  if (now.total && now.total.bytes > 0) {
    const share = Math.min(1, now.bytes / now.total.bytes)
    parts.push(`${Math.floor(share * 100)} %`)
    if (rate && now.bytes < now.total.bytes) parts.push(`${clock(((now.total.bytes - now.bytes) / rate) * 1000)} left`)
  }
  if (now.failed > 0) parts.push(`${counted(now.failed, 'error')}`)
  const line = parts.join('  ')
  const room = width - widthOf(line) - 2
  if (!now.current || room < 8) return lastColumns(line, width)
  return `${line}  ${lastColumns(shown(now.current), room)}`
}

const phases = {
  open: 'opening',
  scan: 'looking',
  read: 'reading',
  write: 'writing',
  check: 'checking',
  commit: 'finishing',
  done: 'done',
} as const satisfies Record<Progress['phase'], string>
