import type { ServedKind } from '../registry.ts';
import { describeDefinition, describeField } from './descriptions.ts';
import type { JsonSchema } from './json-schema.ts';
import {
  definitionNamed,
  type FieldSchema,
  type GroupVersionKind,
  schemaFor,
  type TypeSchema,
} from './schema.ts';

/** A JSON schema as OpenAPI documents write it. */
export interface Model {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Model>;
  additionalProperties?: Model | boolean;
  items?: Model;
  required?: readonly string[];
  oneOf?: readonly Model[];
  [extension: `x-${string}`]: unknown;
}

/** OpenAPI 2 and 3 differ in where models stand and in what a schema can say. */
export type Dialect = 'v2' | 'v3';

const REF_PREFIX = { v2: '#/definitions/', v3: '#/components/schemas/' } as const;

const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
/** OpenAPI 2 has no alternatives; clients know the format. */
const SCALAR_MODELS: Readonly<Record<Dialect, Readonly<Record<string, Model>>>> = {
  v2: { [INT_OR_STRING]: { type: 'string', format: 'int-or-string' }, [QUANTITY]: { type: 'string' } },
  v3: {
    [INT_OR_STRING]: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
    [QUANTITY]: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  },
};

/** Whole numbers of 64 bits, by field name; others have 32. */
const INT64 = new Set(
  `activeDeadlineSeconds deletionGracePeriodSeconds expirationSeconds fsGroup generation gid gracePeriodSeconds
   maxItems maxLength maxProperties minItems minLength minProperties observedGeneration remainingItemCount revision
   runAsGroup runAsUser sizeBytes supplementalGroups terminationGracePeriodSeconds tolerationSeconds uid value`.split(
    /\s+/,
  ),
);

/** `io.k8s.api.core.v1.Pod` for `core/v1.Pod`. */
export function modelName(definition: string): string {
  const [, group = '', version = '', name = ''] = /^([^/]+)\/([^.]+)\.(.+)$/.exec(definition) ?? [];
  const place =
    group === 'meta'
      ? 'apimachinery.pkg.apis.meta'
      : group === 'apiextensions'
        ? 'apiextensions-apiserver.pkg.apis.apiextensions'
        : `api.${group}`;
  return `io.k8s.${place}.${version}.${name}`;
}

/** `io.k8s.networking.gateway.v1.HTTPRoute` for a custom kind of gateway.networking.k8s.io. */
export function customModelName({ group, version, kind }: GroupVersionKind): string {
  return [...group.split('.').toReversed(), version, kind].join('.');
}

/** The model name of a served kind. */
export function kindModelName(kind: ServedKind): string {
  const schema = kind.custom ? undefined : schemaFor(kind);
  return schema ? modelName(schema.name) : customModelName(kind);
}

export interface ModelsOptions {
  readonly dialect: Dialect;
  readonly customSchema?: ((kind: ServedKind) => JsonSchema | undefined) | undefined;
}

/** Models of the given kinds, their lists and everything they refer to, by model name in order. */
export function modelsOf(kinds: readonly ServedKind[], options: ModelsOptions): Record<string, Model> {
  const { dialect } = options;
  const models = new Map<string, Model>(Object.entries(SCALAR_MODELS[dialect]));
  for (const name of ['meta/v1.ListMeta', 'meta/v1.ObjectMeta', 'meta/v1.Status', 'meta/v1.DeleteOptions']) {
    addDefinition(name, dialect, models);
  }
  for (const kind of kinds) {
    const schema = kind.custom ? undefined : schemaFor(kind);
    if (schema) addDefinition(schema.name, dialect, models);
    else if (kind.custom) models.set(customModelName(kind), customModel(kind, options));
    if (kind.verbs.includes('list')) {
      models.set(`${kindModelName(kind)}List`, listModel(kind, dialect));
    }
    for (const subresource of kind.subresources) {
      const body = schemaFor(subresource);
      if (body) addDefinition(body.name, dialect, models);
    }
  }
  return Object.fromEntries([...models].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function addDefinition(name: string, dialect: Dialect, models: Map<string, Model>): void {
  if (models.has(modelName(name))) return;
  const { fields, kind, atomic } = definitionNamed(name);
  const description = describeDefinition(name);
  const model: Model = { type: 'object', ...(description && { description }) };
  models.set(modelName(name), model);
  const required = [...fields.values()].filter((field) => field.required).map((field) => field.name);
  if (fields.size > 0) model.properties = {};
  for (const field of fields.values()) {
    const described = describeField(name, field.name, kind !== undefined);
    const property = fieldModel(field, dialect);
    if (described) property.description = described;
    if (model.properties) model.properties[field.name] = property;
    for (const target of referredBy(field.schema)) addDefinition(target, dialect, models);
  }
  if (required.length > 0) model.required = required;
  if (kind) model['x-kubernetes-group-version-kind'] = [kind];
  if (atomic) model['x-kubernetes-map-type'] = 'atomic';
}

function referredBy(schema: TypeSchema): string[] {
  if (schema.type === 'object') return [schema.name];
  if (schema.type === 'array') return referredBy(schema.items);
  return schema.type === 'map' ? referredBy(schema.values) : [];
}

function fieldModel(field: FieldSchema, dialect: Dialect): Model {
  const model = typeModel(field.schema, dialect);
  if (INT64.has(field.name)) {
    if (model.type === 'integer') model.format = 'int64';
    if (model.items?.type === 'integer') model.items.format = 'int64';
  }
  if (field.schema.type === 'array') {
    model['x-kubernetes-list-type'] = field.listType;
    if (field.listType === 'map') model['x-kubernetes-list-map-keys'] = field.mapKeys;
  }
  if (field.patchMergeKey) model['x-kubernetes-patch-merge-key'] = field.patchMergeKey;
  const strategies = [field.patchMergeKey === undefined ? '' : 'merge', field.retainKeys ? 'retainKeys' : ''];
  const strategy = strategies.filter(Boolean).join(',');
  if (strategy) model['x-kubernetes-patch-strategy'] = strategy;
  if (field.atomic) model['x-kubernetes-map-type'] = 'atomic';
  return model;
}

function typeModel(schema: TypeSchema, dialect: Dialect): Model {
  switch (schema.type) {
    case 'object':
      return { $ref: REF_PREFIX[dialect] + modelName(schema.name) };
    case 'array':
      return { type: 'array', items: typeModel(schema.items, dialect) };
    case 'map':
      return { type: 'object', additionalProperties: typeModel(schema.values, dialect) };
    case 'integer':
      return { type: 'integer', format: 'int32' };
    case 'number':
      return { type: 'number', format: 'double' };
    case 'bytes':
      return { type: 'string', format: 'byte' };
    case 'time':
    case 'micro-time':
      return { type: 'string', format: 'date-time' };
    case 'int-or-string':
      return { $ref: REF_PREFIX[dialect] + INT_OR_STRING };
    case 'quantity':
      return { $ref: REF_PREFIX[dialect] + QUANTITY };
    case 'any':
      // Not empty: kubectl explain fails on a schema that says nothing.
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'boolean':
    case 'string':
      return { type: schema.type };
    default:
      return schema satisfies never;
  }
}

function listModel(kind: ServedKind, dialect: Dialect): Model {
  const { group, version } = kind;
  const ref = (name: string): Model => ({ $ref: REF_PREFIX[dialect] + name });
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      items: { type: 'array', items: ref(kindModelName(kind)) },
      kind: { type: 'string' },
      metadata: ref(modelName('meta/v1.ListMeta')),
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: `${kind.kind}List` }],
  };
}

function customModel(kind: ServedKind, { dialect, customSchema }: ModelsOptions): Model {
  const { group, version } = kind;
  const json = customSchema?.(kind);
  const base: Model = json ? customTypeModel(json, dialect) : { type: 'object' };
  if (base.properties) {
    Object.assign(base.properties, {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { $ref: REF_PREFIX[dialect] + modelName('meta/v1.ObjectMeta') },
    });
  }
  base['x-kubernetes-group-version-kind'] = [{ group, version, kind: kind.kind }];
  return base;
}

/** OpenAPI 3 takes a structural schema as it is; for OpenAPI 2 only what old clients read is kept. */
function customTypeModel(json: JsonSchema, dialect: Dialect): Model {
  if (dialect === 'v3') return structuredClone(json) as Model;
  if (json['x-kubernetes-int-or-string']) return { type: 'string', format: 'int-or-string' };
  if (json['x-kubernetes-preserve-unknown-fields']) return json.type === 'object' ? { type: 'object' } : {};
  const model: Model = {};
  if (json.type) model.type = json.type;
  if (json.format) model.format = json.format;
  if (json.description) model.description = json.description;
  if (json.required) model.required = json.required;
  if (json.items && !Array.isArray(json.items))
    model.items = customTypeModel(json.items as JsonSchema, dialect);
  if (typeof json.additionalProperties === 'object') {
    model.additionalProperties = customTypeModel(json.additionalProperties, dialect);
  }
  if (json.properties) {
    model.properties = Object.fromEntries(
      Object.entries(json.properties).map(([name, property]) => [name, customTypeModel(property, dialect)]),
    );
  }
  for (const extension of ['list-type', 'list-map-keys', 'map-type'] as const) {
    const value = json[`x-kubernetes-${extension}`];
    if (value !== undefined) model[`x-kubernetes-${extension}`] = value;
  }
  return model;
}
