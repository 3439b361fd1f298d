import { duplicate, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { JsonSchema } from '../openapi/json-schema.ts';
import { builtInKinds, type ServedKind, type ServedSubresource } from '../registry.ts';
import type { Core } from '../server-core.ts';
import type { StoredObject } from '../storage/store.ts';
import type { Strategy } from '../strategy.ts';
import type { CustomColumn } from '../table/custom.ts';
import { serviceNameProblem } from '../validation/names.ts';

const STORAGE = 'customresourcedefinitions.apiextensions.k8s.io';

/** The kinds that CustomResourceDefinitions describe. Their objects are stored without schema validation. */
export interface CustomKinds {
  readonly schemaOf: (kind: ServedKind) => JsonSchema | undefined;
  readonly columnsOf: (kind: ServedKind) => readonly CustomColumn[] | undefined;
}

/** Keeps the registry's custom kinds as the stored definitions say. */
export function createCustomKinds({ store, registry }: Core): CustomKinds {
  const versions = new Map<ServedKind, Loose>();

  function define(definition: StoredObject): void {
    const { name } = definition.metadata;
    for (const kind of registry.kinds())
      if (kind.custom && kind.storage === storageOf(definition)) versions.delete(kind);
    const kinds = servedVersions(definition).map((version) => {
      const kind = servedKind(definition, version);
      versions.set(kind, version);
      return kind;
    });
    registry.setCustom(name, kinds);
  }

  function undefine(definition: StoredObject): void {
    for (const kind of registry.kinds())
      if (kind.custom && kind.storage === storageOf(definition)) versions.delete(kind);
    registry.setCustom(definition.metadata.name, []);
    // Listeners may not write: the objects go in the next turn.
    setImmediate(() => {
      if (store.closed) return;
      const storage = storageOf(definition);
      for (const { metadata } of store.list(storage)) {
        store.remove({ storage, namespace: metadata.namespace ?? '', name: metadata.name });
      }
    });
  }

  for (const definition of store.list(STORAGE)) define(definition);
  store.subscribe(STORAGE, ({ type, object }) => (type === 'DELETED' ? undefine(object) : define(object)));

  return {
    schemaOf(kind) {
      const schema = objectAt(versions.get(kind), 'schema')['openAPIV3Schema'];
      return isObject(schema) ? schema : undefined;
    },
    columnsOf(kind) {
      const columns = listAt(versions.get(kind), 'additionalPrinterColumns').filter(isObject);
      return columns.length === 0 ? undefined : (columns as unknown as CustomColumn[]);
    },
  };
}

function servedVersions(definition: StoredObject): Loose[] {
  return listAt(definition, 'spec', 'versions')
    .filter(isObject)
    .filter((version) => version['served'] === true);
}

function storageOf(definition: StoredObject): string {
  const spec = objectAt(definition, 'spec');
  return `${stringAt(spec, 'names', 'plural')}.${stringAt(spec, 'group')}`;
}

function servedKind(definition: StoredObject, versionSpec: Loose): ServedKind {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const group = stringAt(spec, 'group');
  const version = stringAt(versionSpec, 'name');
  const kind = stringAt(names, 'kind');
  const subresources: ServedSubresource[] = [];
  const declared = objectAt(versionSpec, 'subresources');
  if (isObject(declared['status'])) {
    subresources.push({ name: 'status', group, version, kind, verbs: ['get', 'patch', 'update'] });
  }
  if (isObject(declared['scale'])) {
    subresources.push({
      name: 'scale',
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    });
  }
  return {
    group,
    version,
    kind,
    plural: stringAt(names, 'plural'),
    singular: stringAt(names, 'singular') || kind.toLowerCase(),
    shortNames: listAt(names, 'shortNames').map(String),
    categories: listAt(names, 'categories').map(String),
    namespaced: stringAt(spec, 'scope') === 'Namespaced',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources,
    storage: storageOf(definition),
    custom: true,
  };
}

/** Objects of custom kinds: a status of their own when the definition says so. */
export function customStrategy(kind: ServedKind): Strategy {
  return { hasStatus: kind.subresources.some(({ name }) => name === 'status'), hasGeneration: true };
}

/** CustomResourceDefinitions themselves: accepted at once, as written. */
export const definitionStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  setDefaults(object) {
    const spec = objectAt(object, 'spec');
    const names = objectAt(spec, 'names');
    names['singular'] ??= stringAt(names, 'kind').toLowerCase();
    names['listKind'] ??= `${stringAt(names, 'kind')}List`;
    if (spec['conversion'] === undefined) spec['conversion'] = { strategy: 'None' };
  },
  prepareCreate(object) {
    const spec = objectAt(object, 'spec');
    const now = new Date().toISOString().replace(/\.\d+Z$/u, 'Z');
    const condition = (type: string, reason: string, message: string): Loose => ({
      type,
      status: 'True',
      lastTransitionTime: now,
      reason,
      message,
    });
    const stored = listAt(spec, 'versions').find((version) => objectAt(version)['storage'] === true);
    object['status'] = {
      conditions: [
        condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
        condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
      ],
      acceptedNames: spec['names'],
      storedVersions: [stringAt(stored, 'name')],
    };
  },
  validate: validateDefinition,
};

function validateDefinition(object: Loose): FieldError[] {
  const spec = objectAt(object, 'spec');
  const group = stringAt(spec, 'group');
  const plural = stringAt(spec, 'names', 'plural');
  const name = stringAt(object, 'metadata', 'name');
  const errors: FieldError[] = [];
  if (name !== `${plural}.${group}`) {
    errors.push(invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  }
  if (group === '') errors.push(required('spec.group'));
  else if (!group.includes('.'))
    errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  else if (builtInKinds.some(({ storage }) => storage === name)) {
    errors.push(invalid('spec.names.plural', plural, `${name} is served by the API server itself`));
  }
  const pluralProblem = serviceNameProblem(plural);
  if (plural === '') errors.push(required('spec.names.plural'));
  else if (pluralProblem !== undefined) errors.push(invalid('spec.names.plural', plural, pluralProblem));
  const kind = stringAt(spec, 'names', 'kind');
  if (kind === '') errors.push(required('spec.names.kind'));
  else if (serviceNameProblem(kind.toLowerCase()) !== undefined) {
    errors.push(
      invalid(
        'spec.names.kind',
        kind,
        `may have mixed case, but should otherwise match: ${serviceNameProblem('-') ?? ''}`,
      ),
    );
  }
  const scopes = ['Cluster', 'Namespaced'];
  if (!scopes.includes(stringAt(spec, 'scope')))
    errors.push(notSupported('spec.scope', spec['scope'] ?? '', scopes));
  return [...errors, ...validateVersions(listAt(spec, 'versions'))];
}

function validateVersions(versions: readonly unknown[]): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, version] of versions.entries()) {
    const name = stringAt(version, 'name');
    const problem = serviceNameProblem(name);
    if (problem !== undefined) errors.push(invalid(`spec.versions[${index}].name`, name, problem));
    else if (names.has(name)) errors.push(duplicate(`spec.versions[${index}].name`, name));
    names.add(name);
  }
  if (versions.filter((version) => objectAt(version)['storage'] === true).length !== 1) {
    errors.push(
      invalid('spec.versions', versions, 'must have exactly one version marked as storage version'),
    );
  }
  return errors;
}
