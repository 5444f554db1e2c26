/** Keeps what was used last, up to so many bytes altogether. */
export class Recent<K, V> {
  readonly #items = new Map<K, { readonly value: V; readonly size: number }>()
  readonly #most: number
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  get(key: K): V | undefined {
    const item = this.#items.get(key)
    if (item === undefined) return undefined
    // A Map keeps the order in which keys came.
    this.#items.delete(key)
    this.#items.set(key, item)
    return item.value
  }

  set(key: K, value: V, size: number): void {
    this.delete(key)
    this.#items.set(key, { value, size })
    this.#bytes += size
    for (const oldest of this.#items.keys()) {
      if (this.#bytes <= this.#most || oldest === key) break
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    const item = this.#items.get(key)
    if (item === undefined) return
    this.#items.delete(key)
    this.#bytes -= item.size
  }
}
