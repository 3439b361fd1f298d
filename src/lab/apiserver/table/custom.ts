import type { KubeObject } from '../../../model/objects.ts';
import { readJsonPath } from './json-path.ts';
import { age, type Cell, column, type Printer } from './printer.ts';

/** One of `additionalPrinterColumns` of a CustomResourceDefinition's version. */
export interface CustomColumn {
  readonly name: string;
  /** `string`, `integer`, `number`, `boolean` or `date`. */
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

/** Shows a custom kind's objects by the columns its definition declares, their age when it declares none. */
export function customPrinter(columns: readonly CustomColumn[] | undefined): Printer<KubeObject> {
  if (!columns || columns.length === 0) {
    return {
      columns: [column('Age')],
      cells: ({ metadata }, now) => [age(metadata?.creationTimestamp, now)],
    };
  }
  return {
    columns: columns.map(({ name, type, format = '', description = '', priority = 0 }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    cells: (object, now) =>
      columns.map(({ type, jsonPath }) => customCell(readJsonPath(jsonPath, object), type, now)),
  };
}

function customCell(found: readonly unknown[], type: string, now: Date): Cell {
  const [first] = found;
  if (first === undefined) return null;
  switch (type) {
    case 'date':
      return typeof first === 'string' ? age(first, now) : null;
    case 'integer':
    case 'number':
      return typeof first === 'number' ? first : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    default:
      return found.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(',');
  }
}
