import { createHash } from 'node:crypto'
import { structuredPatch } from 'diff'

/** One side of a difference, as a patch shows it. */
export interface PatchSide {
  /** Of the path below what is compared; each byte one character. */
  readonly name: string
  /** As git writes it: `100644`, `100755`, `120000` for a symlink. */
  readonly mode: string
  /** Each byte one character; undefined where it cannot be shown line by line, because it is binary or too large. */
  readonly text: string | undefined
}

/** What is different between two texts, as `git diff` writes it and `git apply` and `patch -p1` read it: each byte one character. */
export function patchOf(
  before: PatchSide | undefined,
  after: PatchSide | undefined,
  context: number,
): readonly string[] {
  const from = quoted(`a/${(before ?? after)!.name}`)
  const to = quoted(`b/${(after ?? before)!.name}`)
  const lines = [`diff --git ${heading(from)} ${heading(to)}`, ...modeLines(before, after)]
  if (before?.text === after?.text && before?.text !== undefined) return lines
  const [old, now] = [before ? from : '/dev/null', after ? to : '/dev/null']
  if ((before && before.text === undefined) || (after && after.text === undefined)) {
    return [...lines, `Binary files ${old} and ${now} differ`]
  }
  lines.push(indexLine(before, after))
  const hunks = hunksOf(before?.text ?? '', after?.text ?? '', context)
  // An empty file that came or went.
  if (hunks.length === 0) return lines
  return [...lines, `--- ${ended(old)}`, `+++ ${ended(now)}`, ...hunks]
}

/** A text as a patch shows it; undefined for what is no text: git takes what has a NUL near its start for binary. */
export function textOf(content: Uint8Array): string | undefined {
  return content.subarray(0, 8_000).includes(0) ? undefined : Buffer.from(content).toString('latin1')
}

/** Milliseconds after which two files that have little in common are shown as all removed, all added. */
const patience = 2_000

function modeLines(before: PatchSide | undefined, after: PatchSide | undefined): string[] {
  if (before === undefined) return [`new file mode ${after!.mode}`]
  if (after === undefined) return [`deleted file mode ${before.mode}`]
  return [
    ...(before.mode === after.mode ? [] : [`old mode ${before.mode}`, `new mode ${after.mode}`]),
    ...(before.name === after.name ? [] : [`rename from ${quoted(before.name)}`, `rename to ${quoted(after.name)}`]),
  ]
}

/** What git calls both sides, and by which GNU patch knows a symlink. */
function indexLine(before: PatchSide | undefined, after: PatchSide | undefined): string {
  const mode = before?.mode === after?.mode ? ` ${after?.mode}` : ''
  return `index ${blobName(before)}..${blobName(after)}${mode}`
}

function blobName(side: PatchSide | undefined): string {
  if (side?.text === undefined) return '0000000'
  const content = Buffer.from(side.text, 'latin1')
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex').slice(0, 7)
}

function hunksOf(before: string, after: string, context: number): string[] {
  const patch = structuredPatch('', '', before, after, '', '', { context, timeout: patience })
  if (patch === undefined) return [...wholly(before, after)]
  return patch.hunks.flatMap(({ oldStart, oldLines, newStart, newLines, lines }) => [
    `@@ -${rangeOf(oldStart, oldLines)} +${rangeOf(newStart, newLines)} @@`,
    ...lines,
  ])
}

/** Everything removed, and everything added. */
function* wholly(before: string, after: string): Generator<string> {
  const [old, now] = [linesOf(before), linesOf(after)]
  yield `@@ -${rangeOf(1, old.length)} +${rangeOf(1, now.length)} @@`
  for (const [sign, lines, text] of [['-', old, before] as const, ['+', now, after] as const]) {
    for (const line of lines) yield sign + line
    if (lines.length > 0 && !text.endsWith('\n')) yield '\\ No newline at end of file'
  }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** An empty range is named by the line before it. */
function rangeOf(start: number, count: number): string {
  return count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`
}

/** Where two names follow each other, GNU patch reads one with a space only in quotes. */
function heading(name: string): string {
  return name.includes(' ') && !name.startsWith('"') ? `"${name}"` : name
}

/** With a tab after a name that has a space, so that it is seen where the name ends. */
function ended(name: string): string {
  return name.includes(' ') ? `${name}\t` : name
}

/** A name as git writes it: in quotes with C's escapes, where it is more than printable ASCII. */
function quoted(name: string): string {
  if (!/[^ !#-[\]-~]/.test(name)) return name
  const escaped = name.replace(/[^ !#-[\]-~]/g, (character) => {
    const letter = letters[character]
    return letter ?? `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
  return `"${escaped}"`
}

const letters: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}
