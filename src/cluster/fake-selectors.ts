import type { KubeObject } from '../model/objects.ts';

/** Whether the object is what `labelSelector` and `fieldSelector` of a query ask for. */
export function matchesQuery(object: KubeObject, query: Readonly<Record<string, string>>): boolean {
  const labels = object.metadata?.labels ?? {};
  const byLabels = splitTerms(query['labelSelector']).every((term) => matchesLabels(labels, term));
  return byLabels && splitTerms(query['fieldSelector']).every((term) => matchesField(object, term));
}

/** Commas separate terms, except in the parentheses of `in (a,b)`. */
function splitTerms(selector = ''): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '');
}

function matchesLabels(labels: Readonly<Record<string, string>>, term: string): boolean {
  const [, key = '', negated, list = ''] = /^(\S+)\s+(not)?in\s*\((.*)\)$/.exec(term) ?? [];
  if (key) {
    const isIn = list
      .split(',')
      .map((value) => value.trim())
      .includes(labels[key] ?? '\0');
    return negated ? !isIn : isIn;
  }
  const [, name = '', operator, value] = /^([^!=]+)(!=|==?)(.*)$/.exec(term) ?? [];
  if (operator === '!=') return labels[name.trim()] !== value?.trim();
  if (operator) return labels[name.trim()] === value?.trim();
  return term.startsWith('!') ? labels[term.slice(1)] === undefined : labels[term] !== undefined;
}

function matchesField(object: KubeObject, term: string): boolean {
  const [, path = '', operator, value = ''] = /^([^!=]+)(!=|==?)(.*)$/.exec(term) ?? [];
  let found: unknown = object;
  for (const name of path.split('.'))
    found = typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined;
  const text = typeof found === 'string' || typeof found === 'number' ? String(found) : '';
  return operator === '!=' ? text !== value : text === value;
}
