/**
 * Sets of an object's fields as metadata.managedFields writes them (FieldsV1). A path is a list of steps:
 * `f:NAME` a field or a map's key, `k:{"name":"x"}` the item of a list with these keys, `v:"x"` a value of a set.
 */
import { equalJson, isObject, setKey, type Loose } from '../json-value.ts';
import type { FieldSchema, TypeSchema } from '../openapi/schema.ts';

export type Path = readonly string[];
/** By the path's steps, joined. */
export type FieldSet = ReadonlyMap<string, Path>;

export function pathKey(path: Path): string {
  return path.join('\u0000');
}

export function setOfPaths(paths: Iterable<Path>): FieldSet {
  return new Map([...paths].map((path) => [pathKey(path), path]));
}

/** How the members of a value merge: what server-side apply asks the schema. */
export interface Place {
  readonly schema: TypeSchema | undefined;
  readonly field: FieldSchema | undefined;
}

export function rootPlace(schema: TypeSchema | undefined): Place {
  return { schema, field: undefined };
}

/** Whether members have owners of their own, and how the items of a list are told apart. */
export function structureOf({ schema, field }: Place, value: unknown): 'atomic' | 'map' | 'list-map' | 'set' {
  if (field?.atomic === true) return 'atomic';
  if (isObject(value)) {
    if (schema?.type === 'object') return schema.atomic ? 'atomic' : 'map';
    return 'map';
  }
  if (!Array.isArray(value)) return 'atomic';
  if (mapKeysOf(field).length > 0) return 'list-map';
  return field?.listType === 'set' || field?.patchMergeKey === '' ? 'set' : 'atomic';
}

/** Lists without a type of their own merge as strategic merge patches have them (k8s.io/kube-openapi's schemaconv). */
function mapKeysOf(field: FieldSchema | undefined): readonly string[] {
  if (field === undefined || field.listType === 'set') return [];
  if (field.mapKeys.length > 0) return field.mapKeys;
  return field.patchMergeKey === undefined || field.patchMergeKey === '' ? [] : [field.patchMergeKey];
}

export function memberPlace({ schema }: Place, name: string): Place {
  if (schema?.type === 'object') {
    const field = schema.fields.get(name);
    return { schema: field?.schema, field };
  }
  return { schema: schema?.type === 'map' ? schema.values : undefined, field: undefined };
}

export function itemPlace({ schema }: Place): Place {
  return { schema: schema?.type === 'array' ? schema.items : undefined, field: undefined };
}

/** `k:{"containerPort":80,"protocol":"TCP"}`. */
export function itemStep({ field }: Place, item: unknown): string {
  const keys: Loose = {};
  for (const name of [...mapKeysOf(field)].sort()) {
    const value = isObject(item) ? item[name] : undefined;
    // The only key with a default in the kinds served.
    keys[name] = value ?? (name === 'protocol' ? 'TCP' : null);
  }
  return `k:${JSON.stringify(keys)}`;
}

export const valueStep = (value: unknown): string => `v:${JSON.stringify(value)}`;

/** Never owned: they name the object rather than describe it. */
const IDENTITY = new Set(
  [
    ['f:apiVersion'],
    ['f:kind'],
    ['f:metadata'],
    ...[
      'name',
      'namespace',
      'uid',
      'resourceVersion',
      'generation',
      'creationTimestamp',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'managedFields',
      'selfLink',
      'generateName',
    ].map((name) => ['f:metadata', `f:${name}`]),
  ].map(pathKey),
);

/** Every field an object sets. */
export function fieldsOf(object: unknown, schema: TypeSchema | undefined): FieldSet {
  const paths: Path[] = [];
  collect(object, rootPlace(schema), [], paths);
  return setOfPaths(
    paths.filter(
      (path) => path.length > 0 && !IDENTITY.has(pathKey(path)) && !IDENTITY.has(pathKey(path.slice(0, 2))),
    ),
  );
}

function collect(value: unknown, place: Place, path: Path, paths: Path[]): void {
  const structure = structureOf(place, value);
  if (structure === 'atomic') {
    paths.push(path);
    return;
  }
  if (structure === 'map') {
    const members = Object.entries(value as Loose).filter(([, member]) => member !== undefined);
    if (members.length === 0 || place.schema?.type !== 'object') paths.push(path);
    for (const [name, member] of members)
      collect(member, memberPlace(place, name), [...path, `f:${name}`], paths);
    return;
  }
  const items = value as readonly unknown[];
  if (items.length === 0) paths.push(path);
  for (const item of items) {
    if (structure === 'set') paths.push([...path, valueStep(item)]);
    else {
      const itemPath = [...path, itemStep(place, item)];
      paths.push(itemPath);
      collect(item, itemPlace(place), itemPath, paths);
    }
  }
}

export function toFieldsV1(set: FieldSet): Loose {
  const root: Loose = {};
  for (const path of set.values()) {
    let at = root;
    for (const step of path) {
      if (!Object.hasOwn(at, step)) setKey(at, step, {});
      at = at[step] as Loose;
    }
    at['.'] = {};
  }
  return tidy(root);
}

/** A leaf is `{}`; only owned inner nodes keep their dot. */
function tidy(node: Loose): Loose {
  const names = Object.keys(node).sort();
  const result: Loose = {};
  for (const name of names) {
    if (name !== '.') setKey(result, name, tidy(node[name] as Loose));
    else if (names.length > 1) result['.'] = {};
  }
  return result;
}

export function fromFieldsV1(fields: unknown): FieldSet {
  const paths: Path[] = [];
  const visit = (node: unknown, path: Path): void => {
    if (!isObject(node)) return;
    const names = Object.keys(node);
    if (path.length > 0 && (names.length === 0 || names.includes('.'))) paths.push(path);
    for (const name of names) if (name !== '.') visit(node[name], [...path, name]);
  };
  visit(fields, []);
  return setOfPaths(paths);
}

/** The value a path leads to; `undefined` when something on the way is missing. */
export function valueAtPath(object: unknown, path: Path): unknown {
  let at = object;
  for (const step of path) {
    if (step.startsWith('f:')) at = isObject(at) ? at[step.slice(2)] : undefined;
    else if (Array.isArray(at)) at = at[itemIndex(at, step)];
    else return undefined;
  }
  return at;
}

/** Removes what a path leads to, in place. */
export function removePath(object: unknown, path: Path): void {
  const parent = valueAtPath(object, path.slice(0, -1));
  const step = path.at(-1) ?? '';
  if (step.startsWith('f:')) {
    if (isObject(parent)) delete parent[step.slice(2)];
  } else if (Array.isArray(parent)) {
    const index = itemIndex(parent, step);
    if (index >= 0) parent.splice(index, 1);
  }
}

function itemIndex(list: readonly unknown[], step: string): number {
  const wanted: unknown = JSON.parse(step.slice(2));
  if (step.startsWith('v:')) return list.findIndex((item) => equalJson(item, wanted));
  if (!isObject(wanted)) return -1;
  return list.findIndex((item) =>
    Object.entries(wanted).every(
      ([name, value]) =>
        isObject(item) && equalJson(item[name] ?? (name === 'protocol' ? 'TCP' : null), value),
    ),
  );
}

/** `.spec.template.spec.containers[name="web"].image`, as conflicts print it. */
export function formatPath(path: Path): string {
  return path
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      if (step.startsWith('v:')) return `[=${step.slice(2)}]`;
      const keys = JSON.parse(step.slice(2)) as Loose;
      return `[${Object.entries(keys)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    })
    .join('');
}
