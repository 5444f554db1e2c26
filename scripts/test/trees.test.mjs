import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTree, differences, sizeOfTree } from '../trees.mjs'

describe('trees', () => {
  let work
  let a
  let b
  beforeEach(() => {
    work = fs.mkdtempSync(join(tmpdir(), 'kloset-trees-'))
    a = join(work, 'a')
    b = join(work, 'b')
    fs.mkdirSync(join(a, 'folder'), { recursive: true })
    fs.writeFileSync(join(a, 'folder', 'file'), Buffer.alloc(3_000_000, 7))
    fs.symlinkSync('file', join(a, 'folder', 'link'))
    fs.chmodSync(join(a, 'folder', 'file'), 0o644)
    copyTree(a, b)
    // Copies keep milliseconds; the comparison looks at nanoseconds.
    for (const tree of [a, b]) setTimes(tree)
  })
  afterEach(() => fs.rmSync(work, { recursive: true }))

  it('are the same when nothing differs', () => {
    expect(differences(a, b)).toEqual([])
    expect(sizeOfTree(a)).toEqual({ entries: 4, files: 1, bytes: 3_000_000 })
  })

  it.each([
    ['one byte', () => overwrite(join(b, 'folder/file'), 2_999_999), 'folder/file: other content'],
    ['the length', () => fs.truncateSync(join(b, 'folder/file'), 5), 'folder/file: 3000000 bytes became 5'],
    ['a mode', () => fs.chmodSync(join(b, 'folder/file'), 0o600), 'folder/file: mode 100644 became 100600'],
    ['where a link points', () => relink(join(b, 'folder/link'), 'elsewhere'), 'folder/link: points elsewhere'],
    ['a second name', () => fs.linkSync(join(b, 'folder/file'), join(work, 'name')), 'folder/file: 1 names became 2'],
    ['what is missing', () => fs.rmSync(join(b, 'folder/link')), 'folder/link is missing'],
    ['what is too many', () => fs.writeFileSync(join(b, 'new'), ''), 'new should not be there'],
  ])('differ by %s', (_, change, sentence) => {
    change()
    setTimes(b)
    expect(differences(a, b)).toEqual([sentence])
  })

  it('differ by a millisecond', () => {
    fs.utimesSync(join(b, 'folder'), 1e9, 1e9 + 0.001)
    expect(differences(a, b)).toEqual(['folder: modified 1000000000000000000 became 1000000000001000000'])
  })

  function setTimes(tree) {
    for (const path of ['folder/file', 'folder', '']) fs.utimesSync(join(tree, path), 1e9, 1e9)
  }

  function overwrite(path, at) {
    const file = fs.openSync(path, 'r+')
    fs.writeSync(file, Buffer.from([1]), 0, 1, at)
    fs.closeSync(file)
  }

  function relink(path, target) {
    fs.rmSync(path)
    fs.symlinkSync(target, path)
  }
})
