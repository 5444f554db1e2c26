import { createBackupJob } from './backup/job.js'
import type { BackupInit } from './backup/messages.js'
import { createScanJob, type ScanInit } from './backup/scan-job.js'
import type { WorkerEntry } from './connector/index.js'
import { createSortJob, type SortInit } from './index/index.js'
import { createCompareJob } from './restore/compare-job.js'
import { createRestoreJob } from './restore/job.js'
import type { RestoreInit } from './restore/messages.js'
import type { JobFactory } from './runtime/jobs.js'
import { createDeriveJob } from './store/derive-job.js'
import { createSyncJob } from './sync/job.js'
import type { SyncInit } from './sync/messages.js'
import { createVerifyJob } from './verify/job.js'
import type { VerifyInit } from './verify/messages.js'

/** Makes the job of each kind: in a worker, or on the calling thread where there is none. */
export const createJob: JobFactory = async (kind, init) => {
  switch (kind) {
    case 'backup':
      return createBackupJob(init as BackupInit, load)
    case 'restore':
      return createRestoreJob(init as RestoreInit, load)
    case 'compare':
      return createCompareJob(init as RestoreInit, load)
    case 'scan':
      return createScanJob(init as ScanInit, load)
    case 'sort':
      return createSortJob(init as SortInit)
    case 'derive':
      return createDeriveJob()
    case 'sync':
      return createSyncJob(init as SyncInit)
    case 'verify':
      return createVerifyJob(init as VerifyInit)
    default:
      throw new TypeError(`no job is called ${kind}`)
  }
}

async function load(url: string): Promise<WorkerEntry> {
  const module = (await import(/* @vite-ignore */ url)) as { default: WorkerEntry }
  return module.default
}
