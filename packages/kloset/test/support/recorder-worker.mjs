/** The worker's part of `workerRecorder`: on the same thread, so that it finds the recorder by name. */
export default function recorderSide(key) {
  const { found, open } = globalThis[key]
  let handles = 0

  return {
    create(entry, handle = `${key} ${handles++} ${entry.path}`) {
      if (!open.has(handle)) open.set(handle, { entry, bytes: new Uint8Array(entry.size ?? 0) })
      const output = open.get(handle)
      return {
        handle,
        write(bytes, at) {
          output.bytes.set(bytes, at)
        },
        commit() {
          found.set(entry.path, { entry, bytes: output.bytes })
          open.delete(handle)
        },
        abort() {
          open.delete(handle)
        },
        release() {},
      }
    },
    make(entry) {
      found.set(entry.path, { entry, bytes: undefined })
    },
    finish() {},
  }
}
