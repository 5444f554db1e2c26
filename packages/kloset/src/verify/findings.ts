import type { Finding } from '../api.js'

/** What `check` can find. */
export type FindingCode =
  | 'config-corrupt'
  | 'copy-damaged'
  | 'key-corrupt'
  | 'epoch-corrupt'
  | 'log-corrupt'
  | 'log-gap'
  | 'snapshot-malformed'
  | 'checkpoint-corrupt'
  | 'segment-missing'
  | 'segment-corrupt'
  | 'pack-missing'
  | 'pack-size'
  | 'frame-corrupt'
  | 'footer-corrupt'
  | 'chunk-corrupt'
  | 'index-mismatch'
  | 'tree-corrupt'
  | 'tree-missing'
  | 'chunk-missing'
  | 'chunk-length'
  | 'entry-error'
  | 'orphan-pack'

const otherCopy = 'Restore this object from another copy of the store.'

const remedies: Record<FindingCode, { readonly level: Finding['level']; readonly remedy: string }> = {
  'config-corrupt': {
    level: 'error',
    remedy: 'Put back `config` from `config.copy`, or from another copy of the store.',
  },
  'copy-damaged': {
    level: 'error',
    remedy: 'One of two copies is damaged; put it back from the other while that is whole.',
  },
  'key-corrupt': {
    level: 'error',
    remedy: 'Put it back from its `.copy`, or remove the slot and add the passphrase again.',
  },
  'epoch-corrupt': {
    level: 'error',
    remedy: 'Put it back from its `.copy`, or remove the slot and add the passphrase again.',
  },
  'log-corrupt': { level: 'error', remedy: `${otherCopy} Until then the store can be read, not written.` },
  'log-gap': { level: 'error', remedy: `${otherCopy} Until then the store can be read, not written.` },
  'snapshot-malformed': {
    level: 'error',
    remedy: 'That snapshot is left out, and everything else can be used. Find out which program wrote it.',
  },
  'checkpoint-corrupt': {
    level: 'error',
    remedy: 'Remove it: a checkpoint only saves reading, and a later one replaces it.',
  },
  'segment-missing': { level: 'error', remedy: `${otherCopy} Restores go on without it: the packs say the same.` },
  'segment-corrupt': { level: 'error', remedy: `${otherCopy} Restores go on without it: the packs say the same.` },
  'pack-missing': { level: 'error', remedy: `${otherCopy} What else is in the store can be restored.` },
  'pack-size': { level: 'error', remedy: `${otherCopy} What else is in the store can be restored.` },
  'frame-corrupt': { level: 'error', remedy: `${otherCopy} What else is in the store can be restored.` },
  'footer-corrupt': {
    level: 'error',
    remedy: 'The index says the same, so nothing is lost. Put the pack back from another copy of the store.',
  },
  'chunk-corrupt': { level: 'error', remedy: `${otherCopy} What else is in the store can be restored.` },
  'index-mismatch': { level: 'error', remedy: 'Put back the index segments from another copy of the store.' },
  'tree-corrupt': { level: 'error', remedy: 'Other snapshots may still have these entries; restore from one of them.' },
  'tree-missing': { level: 'error', remedy: 'Other snapshots may still have these entries; restore from one of them.' },
  'chunk-missing': {
    level: 'error',
    remedy: 'Restore these files from another snapshot or another copy of the store.',
  },
  'chunk-length': { level: 'error', remedy: 'Restore these files from another snapshot or another copy of the store.' },
  'entry-error': { level: 'warning', remedy: 'Make these files readable for who runs the backup, and back up again.' },
  'orphan-pack': {
    level: 'warning',
    remedy:
      'Nothing to do: of a backup that is running, or was interrupted. The next backup by that machine uses it, otherwise prune deletes it after a week.',
  },
}

/** A finding with what is always the same for its code. */
export function finding(code: FindingCode, object: string, message: string, affects?: Finding['affects']): Finding {
  return { ...remedies[code], code, object, message, ...(affects === undefined ? {} : { affects }) }
}
