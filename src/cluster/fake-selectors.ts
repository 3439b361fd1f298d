import type { KubeObject } from '../model/objects.ts';
import { matchesSelector, parseFieldSelector, parseLabelSelector } from '../model/selectors.ts';

/** Whether the object is what `labelSelector` and `fieldSelector` of a query ask for. */
export function matchesQuery(object: KubeObject, query: Readonly<Record<string, string>>): boolean {
  const byLabels = matchesSelector(parseLabelSelector(query['labelSelector'] ?? ''), object.metadata?.labels);
  const fields = parseFieldSelector(query['fieldSelector'] ?? '');
  return byLabels && fields.every(({ field, equal, value }) => (fieldOf(object, field) === value) === equal);
}

function fieldOf(object: KubeObject, path: string): string {
  let found: unknown = object;
  for (const name of path.split('.'))
    found = typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined;
  return typeof found === 'string' || typeof found === 'number' ? String(found) : '';
}
