/**
 * The rules of the commit protocol (docs/protocol.md), each with a switch. With all of them on no scenario may lose anything; for each
 * there is a scenario that does without it (rules.test.ts).
 */
export interface Rules {
  /** 2: the index is what the log names, not what a listing shows. */
  readonly logNamesSegments: boolean
  /** 2: a segment is adopted only where each pack that it names is there. */
  readonly adoptsOnlyStored: boolean
  /** 2: a segment is adopted only where the index locates none of its packs. */
  readonly adoptsOnlyUnlogged: boolean
  /** 2: an entry does not name again what a swap removed while it was made. */
  readonly removedStaysRemoved: boolean
  /** 2: an entry does not name a segment whose packs are all purging or dead: prune may have deleted it. */
  readonly leavesOutDead: boolean
  /** 3: nothing is deleted before a `purge` that names it is in the log. */
  readonly purgeIsEntry: boolean
  /** 3: names of dead packs stay in the replayed state for ever, not only until a swap drops their records. */
  readonly deadForEver: boolean
  /** 4: who relies on a condemned pack lifts it. */
  readonly lifts: boolean
  /** 4: a snapshot is not undeleted where something it needs is purging or dead. */
  readonly refusesPurged: boolean
  /** 5: where the log moved on, a writer looks again at every pack it relies on, its own included. */
  readonly tailCheck: boolean
  /** 6: where the parent is live no more, the whole tree is resolved before the put. */
  readonly parentIsReliance: boolean
  /** 7: a writer looks for its own nonce in all that came, before every put. */
  readonly ownNonceFirst: boolean
  /** 7: after a put whose outcome it does not know a writer deletes nothing. */
  readonly deletesNothingAfterDoubt: boolean
  /** 8: where its entry found the position taken, prune marks and chooses again. */
  readonly choosesAgain: boolean
  /** 8: only a copy in a pack that is listed counts as kept. */
  readonly countsOnlyListed: boolean
  /** 8: a pack with something needed of which no copy is seen to be kept is not condemned. */
  readonly condemnsOnlyCopied: boolean
  /** 9: the entry that adds repacked packs condemns the old ones. */
  readonly repackIsOneEntry: boolean
  /** 10: where its entry found the position taken, a swap is built anew. */
  readonly rebuildsSwap: boolean
  /** 11: no two packs have the same name, whatever they hold. */
  readonly uniqueNames: boolean
  /** 12: entries of the log are never deleted. */
  readonly logIsForEver: boolean
  /** 13: packs that the log does not name are suspected first, and condemned by a later prune. */
  readonly suspectsFirst: boolean
  /** 14: who misses an object reads the log and the index again before he calls it damage. */
  readonly plansAgain: boolean
}

export const allRules: Rules = {
  logNamesSegments: true,
  adoptsOnlyStored: true,
  adoptsOnlyUnlogged: true,
  removedStaysRemoved: true,
  leavesOutDead: true,
  purgeIsEntry: true,
  deadForEver: true,
  lifts: true,
  refusesPurged: true,
  tailCheck: true,
  parentIsReliance: true,
  ownNonceFirst: true,
  deletesNothingAfterDoubt: true,
  choosesAgain: true,
  countsOnlyListed: true,
  condemnsOnlyCopied: true,
  repackIsOneEntry: true,
  rebuildsSwap: true,
  uniqueNames: true,
  logIsForEver: true,
  suspectsFirst: true,
  plansAgain: true,
}

/** All rules but some. */
export function without(...names: readonly (keyof Rules)[]): Rules {
  return { ...allRules, ...Object.fromEntries(names.map((name) => [name, false])) }
}
