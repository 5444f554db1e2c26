// The figures as Markdown tables, on the screen and in docs/benchmarks.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { median } from './measure.mjs'

const allSteps = [
  ['first', 'first backup'],
  ['unchanged', 'nothing changed'],
  ['changed', '10 places changed'],
  ['check', 'check, all data read'],
  ['restore', 'restore'],
  ['reading', 'ranged gets alone'],
]

/** `results`: tool name → step → list of `{ wall, cpu, memory, stored }`, one a run. */
export function datasetReport({ name, size }, results) {
  const tools = [...results.keys()]
  const steps = allSteps.filter(([step]) => step !== 'reading' || tools.some((tool) => results.get(tool).has(step)))
  const middle = (tool, step, what) => median((results.get(tool).get(step) ?? []).map((one) => one[what]))
  const peak = (tool) => Math.max(...steps.map(([step]) => middle(tool, step, 'memory') ?? 0))
  const time = (tool, step) => {
    const wall = middle(tool, step, 'wall')
    return wall === undefined ? '–' : `${digits(wall)} (${digits(middle(tool, step, 'cpu'))})`
  }
  const rows = tools.map((tool) => [
    tool,
    ...steps.map(([step]) => time(tool, step)),
    peak(tool) === 0 ? '–' : megabytes(peak(tool)),
    megabytes(middle(tool, 'first', 'stored')),
    middle(tool, 'changed', 'stored') === undefined ? '–' : digits(middle(tool, 'changed', 'stored') / 1e6),
  ])
  const head = ['', ...steps.map(([, title]) => title), 'peak MB', 'stored MB', 'added by the changes, MB']
  const ratio = (tool, step, what) => {
    const [ours, theirs] = [middle('kloset', step, what), middle(tool, step, what)]
    return ours === undefined || theirs === undefined ? '–' : `${(theirs / ours).toFixed(2)}`
  }
  const others = results.has('kloset') ? tools.filter((tool) => tool !== 'kloset') : []
  const ratios = others.flatMap((tool) => [
    [`${tool}, wall`, ...steps.map(([step]) => ratio(tool, step, 'wall'))],
    [`${tool}, CPU`, ...steps.map(([step]) => ratio(tool, step, 'cpu'))],
  ])
  return [
    `### ${name}: ${size.files.toLocaleString('en')} files, ${megabytes(size.bytes)} MB`,
    `Seconds of wall time, in brackets of CPU time.\n\n${table(head, rows)}`,
    ...(ratios.length === 0
      ? []
      : [`The others ÷ kloset: above 1, kloset needs less.\n\n${table(head.slice(0, steps.length + 1), ratios)}`]),
  ].join('\n\n')
}

/** `kloset version` beside Node doing nothing: lists of seconds. */
export function startReport(kloset, node) {
  const [ours, bare] = [median(kloset), median(node)]
  const rows = [[`${Math.round(ours * 1000)} ms`, `${Math.round(bare * 1000)} ms`, (ours / bare).toFixed(2)]]
  return `### Start\n\n${table(['`kloset version`', '`node -e 0`', 'ratio'], rows)}`
}

/** Opening a large store: name → what `bench/large/ask.mjs` measured. */
export function largeStoreReport({ snapshots, chunks, segments, cache, results }) {
  const seconds = (milliseconds) => (milliseconds / 1000).toFixed(2)
  const rows = [...results].map(([name, { times, cpu, memory, peak }]) => [
    name,
    seconds(times.open + times.list),
    seconds(times.index),
    seconds(times.open + times.list + times.index),
    seconds(cpu.open + cpu.list + cpu.index),
    megabytes(memory),
    megabytes(peak),
    (cpu.known / 100).toFixed(1),
    (cpu.unknown / 100).toFixed(1),
  ])
  const head = [
    '',
    'open and list, s',
    'index, s',
    'together, s',
    'CPU, s',
    'memory then, MB',
    'at most, MB',
    'µs to find a chunk',
    'µs to miss one',
  ]
  const what = `${snapshots.toLocaleString('en')} snapshots, ${chunks.toLocaleString('en')} chunks`
  const sizes = `Index segments of ${megabytes(segments)} MB; ${megabytes(cache)} MB in the cache, half of that the sorted index.`
  return `### ${what}\n\n${sizes}\n\n${table(head, rows)}`
}

/** What was measured on, without a name that identifies it. */
export function machineReport({ tools, runs, place }) {
  const processor = `${cpus()[0].model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`
  const programs = tools.map(({ name, version }) => `${name}: ${version}`).join('; ')
  return `${processor}; ${place}. Median of ${runs} interleaved ${runs === 1 ? 'run' : 'runs'}.\n\nPrograms: ${programs}.`
}

/** Replaces what stands between the markers of a page; `name` tells which. */
export function writeBetweenMarkers(page, text, name = 'bench') {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [before, rest] = readFileSync(page, 'utf8').split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`${page} has no markers ${begin} … ${end}`)
  writeFileSync(page, `${before}${begin}\n\n${text}\n\n${end}${after}`)
}

function table(titles, lines) {
  const [head, ...rows] = [titles, ...lines].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function digits(number) {
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2)
}

function megabytes(bytes) {
  return bytes === undefined ? '–' : Math.round(bytes / 1e6).toLocaleString('en')
}
