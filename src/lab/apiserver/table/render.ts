import type { Table } from './table.ts';

/**
 * A table as kubectl prints it: column names in upper case, three spaces between columns. For tests and for people
 * without kubectl.
 */
export function renderTable({ columnDefinitions, rows }: Table, { wide = false } = {}): string {
  const columns = (columnDefinitions ?? []).map(({ name, priority }, i) => ({ name, priority, i }));
  const shown = columns.filter(({ priority }) => priority === 0 || wide);
  const lines = [
    shown.map(({ name }) => name.toUpperCase()),
    ...rows.map(({ cells }) => shown.map(({ i }) => String(cells[i] ?? '<none>'))),
  ];
  const widths = shown.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}
