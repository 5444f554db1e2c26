/** Styles of text; each leaves the text as it is where there are no colours. */
export interface Colors {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
}

/** Colours for a stream: only on a terminal that knows them, and never with `NO_COLOR` (https://no-color.org). */
export function colorsFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Colors {
  const on = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  const style = (start: number, end: number) => (text: string) => (on ? `\x1b[${start}m${text}\x1b[${end}m` : text)
  return { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39), yellow: style(33, 39) }
}
