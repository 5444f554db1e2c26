import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { measure, median } from '../../bench/measure.mjs'
import { datasetReport, writeBetweenMarkers } from '../../bench/report.mjs'

describe('the benchmark', () => {
  it('takes the middle one', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([undefined, 5])).toBe(5)
    expect(median([])).toBeUndefined()
  })

  it('measures what a command and its children cost, and says what failed', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'kloset-bench-test-'))
    try {
      const work = 'let sum = 0; for (let i = 0; i < 5e7; i++) sum += i'
      const costs = measure({ command: process.execPath, args: ['-e', work] }, scratch)
      expect(costs.wall).toBeGreaterThan(0)
      expect(costs.cpu).toBeGreaterThan(0)
      expect(() => measure({ command: 'bash', args: ['-c', 'echo why >&2; exit 3'] }, scratch)).toThrow(
        /ended with 3\n.*why/s,
      )
    } finally {
      rmSync(scratch, { recursive: true })
    }
  })

  it('reports medians and ratios', () => {
    const steps = (wall) => new Map([['first', [{ wall, cpu: 2 * wall, memory: 5e6, stored: 7e6 }]]])
    const results = new Map([
      ['kloset', steps(1)],
      ['tar | lz4', steps(3)],
    ])
    const report = datasetReport({ name: 'some files', size: { files: 2, bytes: 3e6 } }, results)
    expect(report).toMatch(/\| kloset +\| 1\.00 \(2\.00\)/)
    expect(report).toMatch(/\| tar \\\| lz4, wall +\| 3\.00/)
  })

  it('writes only between the markers', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kloset-bench-test-'))
    try {
      const page = join(folder, 'page.md')
      writeFileSync(page, 'before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n')
      writeBetweenMarkers(page, 'new')
      expect(readFileSync(page, 'utf8')).toBe('before\n<!-- bench:begin -->\n\nnew\n\n<!-- bench:end -->\nafter\n')
      writeFileSync(page, 'nothing')
      expect(() => writeBetweenMarkers(page, 'new')).toThrow('no markers')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
