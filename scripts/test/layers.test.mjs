import { describe, expect, it } from 'vitest'
import { importsOf, violation } from '../layers.mjs'

const engine = (file, specifier, typeOnly = false) => violation(`packages/kloset/src/${file}`, { specifier, typeOnly })

describe('layers', () => {
  it.each([
    ['backup/index.ts', '../store/index.js'],
    ['store/open.ts', '../tree/index.js'],
    ['tree/builder.ts', '../log/index.js'],
    ['pack/writer.ts', './frame.js'],
    ['connector/index.ts', '../errors.js'],
    ['conformance/storage.ts', '../connector/index.js'],
    ['worker.ts', './pack/index.js'],
    ['index.ts', './backup/index.js'],
  ])('let %s import %s', (file, specifier) => {
    expect(engine(file, specifier)).toBeUndefined()
  })

  it.each([
    ['pack/writer.ts', '../index/index.js', 'index is above pack'],
    ['bytes/reader.ts', '../connector/index.js', 'connector is above bytes'],
    ['errors.ts', './index.js', 'index.ts is above errors.ts'],
    ['conformance/storage.ts', '../storage/index.js', 'storage is above conformance'],
    ['storage/memory.ts', '../conformance/index.js', 'conformance is for tests'],
    ['attic/x.ts', '../pack/index.js', 'src/attic has no line'],
    ['pack/x.ts', '../attic/index.js', 'src/attic has no line'],
    ['pack/x.ts', '../../test/help.js', 'leaves src/'],
    ['pack/x.ts', '../../../cli/src/a.js', 'leaves its package'],
    ['pack/x.ts', 'node:fs', 'only src/runtime/node/'],
    ['runtime/web/x.ts', 'node:fs', 'only src/runtime/node/'],
    ['pack/x.ts', '@kloset/connector-fs', 'knows no connector'],
  ])('stop %s importing %s', (file, specifier, why) => {
    expect(engine(file, specifier)).toContain(why)
  })

  it('count type imports like any other', () => {
    expect(engine('bytes/reader.ts', '../pack/index.js', true)).toContain('reaches up')
  })

  it('let node modules into runtime/node', () => {
    expect(engine('runtime/node/aead.ts', 'node:crypto')).toBeUndefined()
  })

  it('let everyone import the files of types, as types', () => {
    expect(engine('pack/writer.ts', '../api.js', true)).toBeUndefined()
    expect(engine('pack/writer.ts', '../run.js', false)).toContain('import type')
    expect(engine('api.ts', './connector/index.js', true)).toBeUndefined()
    expect(engine('api.ts', './connector/index.js', false)).toContain('only types')
  })

  it('hold connectors to the published contracts', () => {
    const connector = (file, specifier) => violation(`packages/connector-x/${file}`, { specifier, typeOnly: false })
    expect(connector('src/index.ts', 'kloset/connector')).toBeUndefined()
    expect(connector('src/index.ts', 'node:fs')).toBeUndefined()
    expect(connector('src/index.ts', 'kloset')).toContain('imports only')
    expect(connector('test/round.test.ts', 'kloset')).toBeUndefined()
    expect(connector('src/index.ts', '@kloset/connector-y')).toContain('imports only')
    expect(connector('test/round.test.ts', '../../kloset/src/index.js')).toContain('leaves its package')
  })

  it('hold examples to published names', () => {
    expect(violation('examples/rows.mjs', { specifier: 'kloset', typeOnly: false })).toBeUndefined()
    expect(violation('examples/rows.mjs', { specifier: '../packages/kloset/src/index.ts', typeOnly: false })).toContain(
      'leaves',
    )
  })
})

describe('imports', () => {
  it('are found in every form', () => {
    const text = `import a from './a.js'
import type { B } from './b.js'
export * from './c.js'
export type { D } from './d.js'
const e = await import('./e.js')
type F = import('./f.js').F
// import './comment.js'
const g = "import './string.js'"`
    expect(importsOf(text)).toEqual([
      { specifier: './a.js', typeOnly: false, line: 1 },
      { specifier: './b.js', typeOnly: true, line: 2 },
      { specifier: './c.js', typeOnly: false, line: 3 },
      { specifier: './d.js', typeOnly: true, line: 4 },
      { specifier: './e.js', typeOnly: false, line: 5 },
      { specifier: './f.js', typeOnly: true, line: 6 },
    ])
  })
})
