/**
 * Server-side apply (KEP-555). Fields have managers, written down in metadata.managedFields. Objects that were never
 * applied carry no managers; with the first apply everything they have belongs to `before-first-apply`, as in
 * Kubernetes, and from then on every change is written down for whoever makes it.
 */
import {
  cloneJson,
  equalJson,
  isObject,
  listAt,
  objectAt,
  setKey,
  stringAt,
  type Loose,
} from '../json-value.ts';
import { schemaFor, type TypeSchema } from '../openapi/schema.ts';
import { apiVersionOf, type ServedKind } from '../registry.ts';
import { StatusError } from '../status.ts';
import {
  fieldsOf,
  formatPath,
  fromFieldsV1,
  itemPlace,
  itemStep,
  memberPlace,
  pathKey,
  removePath,
  rootPlace,
  structureOf,
  toFieldsV1,
  valueAtPath,
  type FieldSet,
  type Path,
  type Place,
} from './field-set.ts';

export interface ManagerOptions {
  readonly kind: ServedKind;
  readonly manager: string;
  readonly subresource: string;
  /** RFC 3339. */
  readonly now: string;
}

export interface ApplyOptions extends ManagerOptions {
  /** Take fields from their managers instead of refusing. */
  readonly force: boolean;
}

interface Manager {
  readonly manager: string;
  readonly operation: string;
  readonly subresource: string;
  readonly apiVersion: string;
  readonly time: string;
  readonly fields: FieldSet;
}

/** The object that results; `present` is not changed. @throws StatusError 409 with every conflict */
export function applyServerSide(present: Loose | undefined, applied: Loose, options: ApplyOptions): Loose {
  const schema = schemaFor(options.kind);
  const wanted = fieldsOf(applied, schema);
  const managers = present === undefined ? [] : managersOf(present, options, schema);
  const mine = managers.find((entry) => isApplier(entry, options));
  const others = managers.filter((entry) => entry !== mine);
  const conflicts = conflictsOf({ present, applied, wanted, others });
  if (conflicts.length > 0 && !options.force) throw conflictStatus(conflicts);

  const result = mergeApplied(present ?? {}, applied, rootPlace(schema)) as Loose;
  dropAbandoned(result, { before: mine?.fields ?? new Map(), wanted, others });
  const taken = new Set(conflicts.map(({ path }) => pathKey(path)));
  const remaining = others.map((entry) => ({ ...entry, fields: without(entry.fields, taken) }));
  writeManagers(result, [...remaining, { ...entryOf(options, 'Apply'), fields: wanted }]);
  return result;
}

/** Writes down who changed what in an object that has managers, in place. */
export function trackUpdate(object: Loose, old: Loose, options: ManagerOptions): void {
  const metadata = objectAt(object, 'metadata');
  if (listAt(old, 'metadata', 'managedFields').length === 0) {
    delete metadata['managedFields'];
    return;
  }
  const schema = schemaFor(options.kind);
  const managers = managersOf(old, options, schema);
  const [now, before] = [fieldsOf(object, schema), fieldsOf(old, schema)];
  const changed = [...now].filter(
    ([key, path]) => !before.has(key) || !equalJson(valueAtPath(object, path), valueAtPath(old, path)),
  );
  // Inner nodes differ whenever something below them does; only leaves and new nodes change hands.
  const changedKeys = new Set(
    changed.filter(([key]) => !before.has(key) || isLeaf(key, now)).map(([key]) => key),
  );
  const gone = new Set([...before.keys()].filter((key) => !now.has(key)));
  const lost = new Set([...changedKeys, ...gone]);
  const own = managers.find(
    (entry) =>
      entry.operation === 'Update' &&
      entry.manager === options.manager &&
      entry.subresource === options.subresource,
  );
  const rest = managers
    .filter((entry) => entry !== own)
    .map((entry) => ({ ...entry, fields: without(entry.fields, lost) }));
  const fields: FieldSet = new Map([
    ...without(own?.fields ?? new Map(), gone),
    ...[...now].filter(([key]) => changedKeys.has(key)),
  ]);
  const entry =
    changedKeys.size > 0 || own === undefined
      ? { ...entryOf(options, 'Update'), fields }
      : { ...own, fields };
  writeManagers(object, [...rest, entry]);
}

function isLeaf(key: string, set: FieldSet): boolean {
  const prefix = `${key}\u0000`;
  for (const other of set.keys()) if (other.startsWith(prefix)) return false;
  return true;
}

function entryOf(
  { manager, subresource, now, kind }: ManagerOptions,
  operation: string,
): Omit<Manager, 'fields'> {
  return { manager, operation, subresource, apiVersion: apiVersionOf(kind), time: now };
}

function isApplier(entry: Manager, { manager, subresource }: ManagerOptions): boolean {
  return entry.operation === 'Apply' && entry.manager === manager && entry.subresource === subresource;
}

function managersOf(object: Loose, options: ManagerOptions, schema: TypeSchema | undefined): Manager[] {
  const entries = listAt(object, 'metadata', 'managedFields');
  if (entries.length === 0) {
    const fields = fieldsOf({ ...object, status: undefined }, schema);
    return [{ ...entryOf(options, 'Update'), manager: 'before-first-apply', subresource: '', fields }];
  }
  return entries.map((entry) => ({
    manager: stringAt(entry, 'manager'),
    operation: stringAt(entry, 'operation'),
    subresource: stringAt(entry, 'subresource'),
    apiVersion: stringAt(entry, 'apiVersion'),
    time: stringAt(entry, 'time'),
    fields: fromFieldsV1(objectAt(entry, 'fieldsV1')),
  }));
}

function writeManagers(object: Loose, managers: readonly Manager[]): void {
  const metadata = (object['metadata'] ??= {}) as Loose;
  metadata['managedFields'] = managers
    .filter(({ fields }) => fields.size > 0)
    .map(({ manager, operation, subresource, apiVersion, time, fields }) => ({
      manager,
      operation,
      apiVersion,
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource === '' ? {} : { subresource }),
    }));
}

function without(fields: FieldSet, keys: ReadonlySet<string>): FieldSet {
  return new Map([...fields].filter(([key]) => !keys.has(key)));
}

interface Conflict {
  readonly manager: string;
  readonly operation: string;
  readonly apiVersion: string;
  readonly path: Path;
}

/** Leaves that somebody else owns and that would get another value. */
function conflictsOf({
  present,
  applied,
  wanted,
  others,
}: {
  present: Loose | undefined;
  applied: Loose;
  wanted: FieldSet;
  others: readonly Manager[];
}): Conflict[] {
  if (present === undefined) return [];
  return others.flatMap(({ fields, manager, operation, apiVersion }) =>
    [...wanted]
      .filter(
        ([key, path]) =>
          fields.has(key) &&
          isLeaf(key, wanted) &&
          !equalJson(valueAtPath(present, path), valueAtPath(applied, path)),
      )
      .map(([, path]) => ({ manager, operation, apiVersion, path })),
  );
}

function conflictStatus(conflicts: readonly Conflict[]): StatusError {
  const byManager = Map.groupBy(conflicts, ({ manager, apiVersion }) => `"${manager}" using ${apiVersion}`);
  const lines = [...byManager].map(([who, list]) =>
    list.length === 1
      ? `conflict with ${who}: ${list.map(({ path }) => formatPath(path)).join('')}`
      : `conflicts with ${who}:\n${list.map(({ path }) => `- ${formatPath(path)}`).join('\n')}`,
  );
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`;
  return new StatusError({
    code: 409,
    reason: 'Conflict',
    message: `Apply failed with ${count}: ${lines.join('\n')}`,
    details: {
      causes: conflicts.map(({ manager, apiVersion, path }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with "${manager}" using ${apiVersion}`,
        field: formatPath(path),
      })),
    },
  });
}

function mergeApplied(present: unknown, applied: unknown, place: Place): unknown {
  const structure = structureOf(place, applied);
  if (structure === 'map') {
    const result: Loose = isObject(present) ? cloneJson<Loose>(present) : {};
    for (const [name, value] of Object.entries(applied as Loose)) {
      const before = Object.hasOwn(result, name) ? result[name] : undefined;
      setKey(result, name, mergeApplied(before, value, memberPlace(place, name)));
    }
    return result;
  }
  if (structure === 'atomic') return cloneJson<unknown>(applied);
  const list = Array.isArray(present) ? present.map((item) => cloneJson<unknown>(item)) : [];
  for (const item of applied as readonly unknown[]) {
    if (structure === 'set') {
      if (!list.some((other) => equalJson(other, item))) list.push(item);
      continue;
    }
    const step = itemStep(place, item);
    const index = list.findIndex((other) => itemStep(place, other) === step);
    if (index < 0) list.push(cloneJson<unknown>(item));
    else list[index] = mergeApplied(list[index], item, itemPlace(place));
  }
  return list;
}

/** What this manager set before, wants no more, and nobody else wants, goes. */
function dropAbandoned(
  result: Loose,
  { before, wanted, others }: { before: FieldSet; wanted: FieldSet; others: readonly Manager[] },
): void {
  const kept = new Set<string>();
  for (const set of [wanted, ...others.map(({ fields }) => fields)]) {
    // Whoever owns a field needs everything above it too.
    for (const path of set.values()) {
      for (let length = 1; length <= path.length; length += 1) kept.add(pathKey(path.slice(0, length)));
    }
  }
  const abandoned = [...before.values()].filter((path) => !kept.has(pathKey(path)));
  const keys = new Set(abandoned.map(pathKey));
  for (const path of abandoned) {
    // What goes with something above it must not go first: items are found by their keys.
    const above = path.some((_step, length) => length > 0 && keys.has(pathKey(path.slice(0, length))));
    if (!above) removePath(result, path);
  }
}
