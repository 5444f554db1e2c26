import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { destinationConformance, sourceConformance } from 'kloset/conformance'
import type { Destination, Source, WorkerSide } from 'kloset/connector'
import { describe, test } from 'vitest'
import { fsDestination, fsSource } from '../src/index.js'
import { native } from '../src/native.js'
import { type WorkerData, workerSide } from '../src/sides.js'
import { places } from './places.js'

const place = places()
const sideOf = async (of: Source | Destination): Promise<WorkerSide> => workerSide(of.worker?.data as WorkerData)

describe('fs source', () => {
  const folder = place()
  for (const path of ['a', 'a/b', 'a/b/c', 'a-b', 'empty']) mkdirSync(join(folder, path))
  for (const path of ['a/x', 'a/b/y', 'a/b/c/z', 'a-b/w', 'ünï', '.hidden']) writeFileSync(join(folder, path), path)
  for (let at = 0; at < 1500; at++) writeFileSync(join(folder, `a-b/n${at}`), '')
  writeFileSync(join(folder, 'a/large'), Buffer.alloc(3_000_000, 'content '))
  symlinkSync('nowhere', join(folder, 'a/link'))
  native()?.makeNode(join(folder, 'fifo'), 0o010600, 0n)
  for (const c of sourceConformance({ open: () => fsSource(folder), side: sideOf })) test(c.name, c.run, c.timeout)
})

describe('fs destination', () => {
  const cases = destinationConformance({
    open: () => fsDestination(place()),
    side: sideOf,
    // What compares a restore with what is there does not look at attributes.
    look: ({ current }) => fsSource(current!.root),
    expect: ['directories', 'symlinks', 'mode', 'mtime', 'holes', ...(native() ? (['xattrs'] as const) : [])],
  })
  for (const c of cases) test(c.name, c.run, c.timeout)
})
