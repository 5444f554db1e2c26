import { type Entry, type Failure, type Filter, noHost, type WorkerEntry, type WorkerSide } from '../connector/index.js'
import type { Job, JobReply, PostedModule } from '../runtime/jobs.js'
import { ScanFilter, type ScanRules } from './filtering.js'
import type { ScanReply } from './messages.js'
import { ScanEncoder } from './scan.js'

/** What a scan's job in each worker starts from. */
export interface ScanInit {
  readonly module: PostedModule
  /** How many workers share the scan. */
  readonly parts: number
  readonly rules: ScanRules
}

/** Asks for the next entries of a part. */
export interface ScanMessage {
  readonly part: number
}

/** Makes the part of a scan that runs in each worker. `load` imports the source's worker module. */
export async function createScanJob(init: ScanInit, load: (url: string) => Promise<WorkerEntry>): Promise<Job> {
  const side = (await load(init.module.url))(init.module.data, noHost)
  // Usually one: more where threads were wanted and could not be had.
  const scans = new Map<number, PartScan>()
  return {
    handle({ part }: ScanMessage): JobReply {
      let scan = scans.get(part)
      if (scan === undefined) {
        scan = startPart(side, part, init)
        scans.set(part, scan)
      }
      const { items, filter, encoder } = scan
      const next = items.next()
      for (const item of next.done ? [] : next.value) if (filter.keeps(item)) encoder.add(item)
      const { records, count, failures, moved, done } = encoder.take(next.done === true)
      const value: ScanReply = { records, count, failures, moved, excluded: filter.take(), done }
      return { value, transfer: [records.buffer] }
    },
    end() {
      for (const { items } of scans.values()) items.return?.()
    },
  }
}

/** The scan of a part. */
interface PartScan {
  readonly items: Iterator<readonly (Entry | Failure)[]>
  readonly filter: ScanFilter
  readonly encoder: ScanEncoder
}

function startPart(side: WorkerSide, part: number, { parts, rules }: ScanInit): PartScan {
  const isOwn = (path: string): boolean => path.includes('/') || sum(path) % parts === part
  const filter = new ScanFilter(rules, partOf(part, parts), isOwn)
  return { items: side.scan!(filter.filter, '')[Symbol.iterator](), filter, encoder: new ScanEncoder() }
}

/**
 * The part of a tree that one of several workers scans: each goes into every folder at the top, and of what is in those each takes
 * what falls to it by the name. All parts come in path order, so merging them gives the whole.
 */
export function partOf(part: number, parts: number): Filter {
  return {
    takes(path, type) {
      if (parts === 1) return true
      const first = path.indexOf('/')
      if (first < 0) return type === 'directory' || sum(path) % parts === part
      return path.indexOf('/', first + 1) >= 0 || sum(path) % parts === part
    },
  }
}

/** A number that is different for different names often enough (FNV-1a). */
function sum(path: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
