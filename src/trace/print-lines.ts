/** Lays text out for a terminal of a known width. Widths are in characters. */

/** Breaks a text between words. A word longer than the width has a line of its own. */
export function wrapWords(text: string, width: number): string[] {
  return fill(text.split(' '), { width, gap: ' ' }).map((line) => line.join(' '));
}

/** Puts as many cells into each line as it takes. A cell wider than a line has one of its own. */
export function fill(cells: readonly string[], { width, gap }: { width: number; gap: string }): string[][] {
  const lines: string[][] = [];
  let used = 0;
  for (const cell of cells) {
    const line = lines.at(-1);
    if (line !== undefined && used + gap.length + cell.length <= width) {
      line.push(cell);
      used += gap.length + cell.length;
    } else {
      lines.push([cell]);
      used = cell.length;
    }
  }
  return lines;
}
