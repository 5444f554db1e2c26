import { widthOf } from './names.js'

/** How a column stands: the last left-aligned one is not padded. */
export type Align = 'left' | 'right'

/**
 * Lines up rows into columns two spaces apart, for lists too long to hold: each call takes the next rows, and columns that
 * once were wide stay wide.
 */
export class Columns {
  readonly #align: readonly Align[]
  readonly #widths: number[]

  constructor(align: readonly Align[]) {
    this.#align = align
    this.#widths = align.map(() => 0)
  }

  /** The rows as lines, aligned with all that came before. */
  lines(rows: readonly (readonly string[])[]): string[] {
    for (const row of rows)
      row.forEach((cell, column) => {
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, widthOf(cell))
      })
    return rows.map((row) => this.#line(row))
  }

  #line(row: readonly string[]): string {
    const cells = row.map((cell, column) => {
      const space = ' '.repeat((this.#widths[column] ?? 0) - widthOf(cell))
      return this.#align[column] === 'right' ? space + cell : cell + space
    })
    // A column that is empty everywhere (hosts without tags) takes no room.
    return cells
      .filter((_, column) => this.#widths[column] !== 0)
      .join('  ')
      .trimEnd()
  }
}

/** Names and values, one a line, the values under each other. */
export function pairs(rows: readonly (readonly [name: string, value: string])[]): string[] {
  return new Columns(['left', 'left']).lines(rows)
}
