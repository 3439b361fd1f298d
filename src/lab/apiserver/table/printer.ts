import type { LabelSelector } from '../../../model/objects.ts';

/** meta.k8s.io/v1 TableColumnDefinition. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  /** `name` marks the column that names the object. */
  readonly format: string;
  readonly description: string;
  /** 0 is always shown, higher ones with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

/** How one kind is shown: its columns after the name, and their cells for one object. */
export interface Printer<T = never> {
  readonly columns: readonly TableColumn[];
  cells(object: T, now: Date): Cell[];
}

/** A column that is always shown. */
export function column(name: string, type: 'string' | 'integer' | 'boolean' = 'string'): TableColumn {
  return { name, type, format: '', description: '', priority: 0 };
}

/** A column shown with `-o wide`. */
export function wideColumn(name: string): TableColumn {
  return { ...column(name), priority: 1 };
}

export const NONE = '<none>';
export const UNKNOWN = '<unknown>';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/**
 * A duration as kubectl writes it: two units while the first is small (`3m20s`, `5h10m`, `2d4h`), then one (`45m`,
 * `20h`, `90d`).
 */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 2 * MINUTE) return `${seconds}s`;
  if (seconds < 10 * MINUTE) return twoUnits(seconds, MINUTE, 'm', 1, 's');
  if (seconds < 3 * HOUR) return `${Math.trunc(seconds / MINUTE)}m`;
  if (seconds < 8 * HOUR) return twoUnits(seconds, HOUR, 'h', MINUTE, 'm');
  if (seconds < 2 * DAY) return `${Math.trunc(seconds / HOUR)}h`;
  if (seconds < 8 * DAY) return twoUnits(seconds, DAY, 'd', HOUR, 'h');
  if (seconds < 2 * YEAR) return `${Math.trunc(seconds / DAY)}d`;
  if (seconds < 8 * YEAR) return twoUnits(seconds, YEAR, 'y', DAY, 'd');
  return `${Math.trunc(seconds / YEAR)}y`;
}

function twoUnits(
  seconds: number,
  large: number,
  largeName: string,
  small: number,
  smallName: string,
): string {
  const rest = Math.trunc((seconds % large) / small);
  const first = `${Math.trunc(seconds / large)}${largeName}`;
  return rest === 0 ? first : `${first}${rest}${smallName}`;
}

/** Time passed since an RFC 3339 time: `5m`; `<unknown>` without one. */
export function age(time: string | null | undefined, now: Date): string {
  if (!time) return UNKNOWN;
  const then = Date.parse(time);
  return Number.isNaN(then) ? UNKNOWN : formatDuration(now.getTime() - then);
}

/** `app=web,tier=front`, in order of the keys. */
export function formatLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  const pairs = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? NONE : pairs.map(([key, value]) => `${key}=${value}`).join(',');
}

/** `app=web,tier in (a,b),!old`, in order of the keys. */
export function formatSelector(selector: LabelSelector | null | undefined): string {
  const parts: [string, string][] = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => [
    key,
    `${key}=${value}`,
  ]);
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    const list = `(${(values ?? []).toSorted().join(',')})`;
    const words = {
      In: `${key} in ${list}`,
      NotIn: `${key} notin ${list}`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    parts.push([key, words[operator as keyof typeof words] ?? '<error>']);
  }
  if (parts.length === 0) return NONE;
  return parts
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join(',');
}

/** The first few of many: `a,b,c + 2 more...`. */
export function formatSome(items: readonly string[], limit: number, separator = ','): string {
  const shown = items.slice(0, limit).join(separator);
  return items.length > limit ? `${shown} + ${items.length - limit} more...` : shown;
}

/** The columns of a pod template: names and images of its containers. */
export function containerCells(
  containers: readonly { readonly name: string; readonly image?: string }[] | null | undefined,
): [names: string, images: string] {
  const list = containers ?? [];
  return [list.map(({ name }) => name).join(','), list.map(({ image }) => image ?? '').join(',')];
}
