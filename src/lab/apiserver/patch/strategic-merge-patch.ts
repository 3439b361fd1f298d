/**
 * Strategic merge patches: as merge patches, but lists that the schema gives a merge key are merged item by item.
 * Directives, as k8s.io/apimachinery's util/strategicpatch has them:
 *
 *   $patch: replace | merge | delete          what to do with this map, or with this item of a list
 *   $retainKeys: [a, b]                       drop all other members of the map
 *   $deleteFromPrimitiveList/FIELD: [x]       remove plain values from FIELD
 *   $setElementOrder/FIELD: [{name: a}, …]    the order in which FIELD ends
 */
import { cloneJson, equalJson, isObject, setKey, type Loose } from '../json-value.ts';
import type { FieldSchema, TypeSchema } from '../openapi/schema.ts';
import { PatchError } from './patch-error.ts';

const DIRECTIVE = '$patch';
const RETAIN = '$retainKeys';
const DELETE_PREFIX = '$deleteFromPrimitiveList/';
const ORDER_PREFIX = '$setElementOrder/';

/** Returns a new object. @throws PatchError */
export function applyStrategicMergePatch(target: Loose, patch: unknown, schema: TypeSchema): Loose {
  if (!isObject(patch)) throw new PatchError('malformed', 'a strategic merge patch must be an object');
  return mergeMap(target, patch, schema);
}

function mergeMap(original: Loose, patch: Loose, schema: TypeSchema | undefined): Loose {
  switch (patch[DIRECTIVE]) {
    case undefined:
    case 'merge':
      break;
    case 'replace':
      return withoutDirectives(patch);
    case 'delete':
      return {};
    default:
      throw new PatchError('malformed', `Unknown patch type found: ${JSON.stringify(patch[DIRECTIVE])}`);
  }
  const result: Loose = cloneJson<Loose>(original);
  retainKeys(result, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN || key.startsWith(ORDER_PREFIX)) continue;
    if (key.startsWith(DELETE_PREFIX)) {
      deleteValues(result, key.slice(DELETE_PREFIX.length), value);
    } else if (value === null) {
      delete result[key];
    } else {
      const present = Object.hasOwn(result, key) ? result[key] : undefined;
      setKey(result, key, mergeValue(present, value, fieldOf(schema, key)));
    }
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(ORDER_PREFIX)) continue;
    const name = key.slice(ORDER_PREFIX.length);
    setElementOrder(result, name, { order, before: original[name], field: fieldOf(schema, name) });
  }
  return result;
}

function fieldOf(
  schema: TypeSchema | undefined,
  name: string,
): Pick<FieldSchema, 'schema' | 'patchMergeKey'> | undefined {
  if (schema?.type === 'object') return schema.fields.get(name);
  return schema?.type === 'map' ? { schema: schema.values, patchMergeKey: undefined } : undefined;
}

function mergeValue(
  present: unknown,
  value: unknown,
  field: Pick<FieldSchema, 'schema' | 'patchMergeKey'> | undefined,
): unknown {
  if (isObject(value)) return mergeMap(isObject(present) ? present : {}, value, field?.schema);
  if (!Array.isArray(value)) return value;
  const mergeKey = field?.patchMergeKey;
  if (mergeKey === undefined) return cloneJson<unknown>(value);
  const list = Array.isArray(present) ? present : [];
  const items = field?.schema.type === 'array' ? field.schema.items : undefined;
  return mergeKey === '' ? mergeValues(list, value) : mergeItems(list, value, { mergeKey, items });
}

/** Plain values: those that are missing are added at the end. */
function mergeValues(list: readonly unknown[], patch: readonly unknown[]): unknown[] {
  return [
    ...list,
    ...patch.filter((value, index) => !list.includes(value) && patch.indexOf(value) === index),
  ];
}

function mergeItems(
  list: readonly unknown[],
  patch: readonly unknown[],
  { mergeKey, items }: { mergeKey: string; items: TypeSchema | undefined },
): unknown[] {
  const result = list.map((item) => cloneJson<unknown>(item));
  const replaces = patch.some((item) => isObject(item) && item[DIRECTIVE] === 'replace');
  if (replaces) {
    // A bare `{$patch: replace}` item replaces the whole list by the others.
    return patch
      .filter((item) => !(isObject(item) && item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1))
      .map((item) => (isObject(item) ? withoutDirectives(item) : item));
  }
  for (const item of patch) {
    if (!isObject(item))
      throw new PatchError('malformed', 'a list with a merge key holds something that is no object');
    const key = item[mergeKey];
    if (key === undefined) {
      throw new PatchError(
        'malformed',
        `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`,
      );
    }
    const at = result.findIndex((other) => isObject(other) && equalJson(other[mergeKey], key));
    if (item[DIRECTIVE] === 'delete') {
      for (let index = at; index >= 0;) {
        result.splice(index, 1);
        index = result.findIndex((other) => isObject(other) && equalJson(other[mergeKey], key));
      }
    } else if (at < 0) {
      result.push(mergeMap({}, item, items));
    } else {
      result[at] = mergeMap(result[at] as Loose, item, items);
    }
  }
  return result;
}

function withoutDirectives(patch: Loose): Loose {
  const { [DIRECTIVE]: _directive, ...rest } = patch;
  return mergeMap({}, rest, undefined);
}

function retainKeys(target: Loose, patch: Loose): void {
  const retained = patch[RETAIN];
  if (retained === undefined) return;
  if (!Array.isArray(retained)) throw new PatchError('malformed', `${RETAIN} must be a list`);
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith('$') && value !== null && !retained.includes(key)) {
      throw new PatchError('malformed', `${RETAIN} list doesn't contain ${key}`);
    }
  }
  for (const key of Object.keys(target)) if (!retained.includes(key)) delete target[key];
}

function deleteValues(target: Loose, name: string, values: unknown): void {
  if (!Array.isArray(values)) throw new PatchError('malformed', `${DELETE_PREFIX}${name} must be a list`);
  const list = target[name];
  if (Array.isArray(list)) target[name] = list.filter((value) => !values.includes(value));
}

/**
 * Items the patch names take its order; the others keep theirs, each before the first named item that it preceded.
 */
function setElementOrder(
  target: Loose,
  name: string,
  {
    order,
    before,
    field,
  }: { order: unknown; before: unknown; field: Pick<FieldSchema, 'patchMergeKey'> | undefined },
): void {
  const list = target[name];
  if (!Array.isArray(order)) throw new PatchError('malformed', `${ORDER_PREFIX}${name} must be a list`);
  if (!Array.isArray(list)) return;
  const mergeKey = field?.patchMergeKey ?? '';
  const identity = (item: unknown): unknown => (mergeKey !== '' && isObject(item) ? item[mergeKey] : item);
  const rank = (ranks: readonly unknown[], item: unknown): number =>
    ranks.findIndex((other) => equalJson(identity(other), identity(item)));
  const named = list.filter((item) => rank(order, item) >= 0).sort((a, b) => rank(order, a) - rank(order, b));
  const others = list.filter((item) => rank(order, item) < 0);
  const present = Array.isArray(before) ? before : [];
  const result: unknown[] = [];
  for (const item of named) {
    const place = rank(present, item);
    const later = others.findIndex((other) => rank(present, other) >= place);
    if (place >= 0) result.push(...others.splice(0, later < 0 ? others.length : later));
    result.push(item);
  }
  target[name] = [...result, ...others];
}
