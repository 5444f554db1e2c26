// A worker module in which one of the threads that scan a folder together cannot list it, as when a disk fails now and then.
export default function partsSide({ calls, failing }) {
  return {
    *scan(filter) {
      const fails = Atomics.add(new Int32Array(calls), 0, 1) === failing
      yield [{ path: '', type: 'directory' }]
      if (!filter.takes('top', 'directory')) return
      yield [{ path: 'top', type: 'directory' }]
      if (fails) yield [{ path: 'top', error: new Error('the disk is tired') }]
      for (let i = 0; !fails && i < 40; i++) {
        const path = `top/${String(i).padStart(2, '0')}`
        if (filter.takes(path, 'file')) yield [{ path, type: 'file', size: 1, mtime: 5n }]
      }
    },
    open: () => ({
      read(into) {
        into[0] = 120
        return 1
      },
      changed: () => false,
      close() {},
    }),
  }
}
