import { UsageError } from './exit.js'

/** @throws UsageError for tags and names that no snapshot can have */
export async function requireLabels(labels: {
  readonly tags?: readonly string[] | undefined
  readonly name?: string | undefined
}): Promise<void> {
  const { faultOfName, faultOfTag } = await import('kloset')
  for (const tag of labels.tags ?? []) refuse(tag, faultOfTag(tag))
  if (labels.name !== undefined) refuse(labels.name, faultOfName(labels.name))
}

function refuse(label: string, fault: string | undefined): void {
  if (fault !== undefined) throw new UsageError(`'${label}' cannot be used: ${fault}`)
}
