import { definitionNamed, type FieldSchema, scalarSchema, type TypeSchema } from './schema.ts';

/** The part of a CustomResourceDefinition's `openAPIV3Schema` that podnet reads. */
export interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly required?: readonly string[];
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

/** The schema of a custom kind's objects, with the fields every object has added at the top. */
export function customObjectSchema(root: JsonSchema): TypeSchema {
  const schema = fromJsonSchema(root);
  if (schema.type !== 'object') return schema;
  return { ...schema, fields: new Map([...schema.fields, ...objectFields()]) };
}

function objectFields(): Map<string, FieldSchema> {
  return new Map([
    plainField('apiVersion', scalarSchema('string')),
    plainField('kind', scalarSchema('string')),
    plainField('metadata', definitionNamed('meta/v1.ObjectMeta')),
  ]);
}

const plain = {
  listType: 'atomic',
  mapKeys: [],
  patchMergeKey: undefined,
  retainKeys: false,
  atomic: false,
} as const;

/** A JSON schema in podnet's form. What it cannot say (alternatives, bounds) is left out. */
export function fromJsonSchema(json: JsonSchema): TypeSchema {
  if (json['x-kubernetes-int-or-string']) return scalarSchema('int-or-string');
  const open = json['x-kubernetes-preserve-unknown-fields'] === true;
  switch (json.type) {
    case 'string':
      return scalarSchema(json.format === 'date-time' ? 'time' : json.format === 'byte' ? 'bytes' : 'string');
    case 'integer':
    case 'number':
    case 'boolean':
      return scalarSchema(json.type);
    case 'array': {
      const items = Array.isArray(json.items) ? undefined : (json.items as JsonSchema | undefined);
      return { type: 'array', items: items ? fromJsonSchema(items) : scalarSchema('any') };
    }
    case 'object':
    case undefined: {
      if (json.properties) return objectSchema(json, open);
      if (typeof json.additionalProperties === 'object') {
        return { type: 'map', values: fromJsonSchema(json.additionalProperties) };
      }
      if (open || json.additionalProperties === true || json.type === undefined) return scalarSchema('any');
      return objectSchema(json, open);
    }
    default:
      return scalarSchema('any');
  }
}

function objectSchema(json: JsonSchema, open: boolean): TypeSchema {
  const fields = Object.entries(json.properties ?? {}).map(([name, property]): [string, FieldSchema] => {
    const listType = property['x-kubernetes-list-type'];
    return [
      name,
      {
        ...plain,
        name,
        required: json.required?.includes(name) === true,
        schema: fromJsonSchema(property),
        listType: listType === 'map' || listType === 'set' ? listType : 'atomic',
        mapKeys: property['x-kubernetes-list-map-keys'] ?? [],
        atomic: property['x-kubernetes-map-type'] === 'atomic',
      },
    ];
  });
  const embedded = json['x-kubernetes-embedded-resource'] === true;
  return {
    type: 'object',
    name: '',
    fields: new Map([...fields, ...(embedded ? objectFields() : [])]),
    atomic: json['x-kubernetes-map-type'] === 'atomic',
    open,
    kind: undefined,
  };
}

function plainField(name: string, schema: TypeSchema): [string, FieldSchema] {
  return [name, { ...plain, name, required: false, schema }];
}
