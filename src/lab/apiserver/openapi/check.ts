import type { ObjectSchema, TypeSchema } from './schema.ts';

/** A value of another type than its field's. */
export interface Mismatch {
  /** `spec.template.spec.containers[0].ports` */
  readonly path: string;
  /** In the words of Kubernetes' own decoder. */
  readonly message: string;
}

export interface CheckResult {
  /** Paths of fields the schema does not know: `spec.containers[0].imagee`. */
  readonly unknown: string[];
  readonly mismatched: Mismatch[];
}

export interface CheckOptions {
  /** Remove the unknown fields from the object, in place. */
  readonly prune?: boolean;
}

const MAX_DEPTH = 100;

/**
 * Compares a decoded object with its schema: unknown fields and wrong types. Null counts as absent. Required fields
 * are not asked for: Kubernetes leaves that to the validation of each kind.
 */
export function checkObject(schema: ObjectSchema, value: object, options: CheckOptions = {}): CheckResult {
  const result: CheckResult = { unknown: [], mismatched: [] };
  checkFields(schema, value as Record<string, unknown>, '', {
    result,
    prune: options.prune === true,
    depth: 0,
  });
  return result;
}

interface Walk {
  readonly result: CheckResult;
  readonly prune: boolean;
  readonly depth: number;
}

function checkFields(schema: ObjectSchema, object: Record<string, unknown>, path: string, walk: Walk): void {
  for (const name of Object.keys(object)) {
    const value = object[name];
    const field = schema.fields.get(name);
    const fieldPath = path === '' ? name : `${path}.${name}`;
    if (field) {
      if (value !== null && value !== undefined) {
        checkValue(field.schema, value, fieldPath, { ...walk, depth: walk.depth + 1 }, { schema });
      }
    } else if (!schema.open) {
      walk.result.unknown.push(fieldPath);
      if (walk.prune) delete object[name];
    }
  }
}

/** The definition a field is declared in. */
interface Owner {
  readonly schema: ObjectSchema;
}

function checkValue(schema: TypeSchema, value: unknown, path: string, walk: Walk, owner: Owner): void {
  if (walk.depth > MAX_DEPTH) {
    walk.result.mismatched.push({ path, message: `exceeded max depth at ${path}` });
    return;
  }
  if (!accepts(schema, value)) {
    walk.result.mismatched.push({ path, message: mismatch(owner, schema, value, path) });
    return;
  }
  const deeper = { ...walk, depth: walk.depth + 1 };
  if (schema.type === 'object') {
    checkFields(schema, value as Record<string, unknown>, path, deeper);
  } else if (schema.type === 'map') {
    for (const [key, item] of Object.entries(value as object)) {
      if (item !== null) checkValue(schema.values, item, `${path}.${key}`, deeper, owner);
    }
  } else if (schema.type === 'array') {
    for (const [i, item] of (value as unknown[]).entries()) {
      if (item !== null) checkValue(schema.items, item, `${path}[${i}]`, deeper, owner);
    }
  }
}

function accepts(schema: TypeSchema, value: unknown): boolean {
  switch (schema.type) {
    case 'any':
      return true;
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'int-or-string':
      return typeof value === 'string' || Number.isInteger(value);
    case 'quantity':
      return typeof value === 'string' || typeof value === 'number';
    case 'string':
    case 'bytes':
    case 'time':
    case 'micro-time':
      return typeof value === 'string';
    case 'array':
      return Array.isArray(value);
    case 'map':
    case 'object':
      return typeof value === 'object' && !Array.isArray(value);
    default:
      return schema satisfies never;
  }
}

/** `json: cannot unmarshal string into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort` */
function mismatch({ schema: parent }: Owner, schema: TypeSchema, value: unknown, path: string): string {
  const type = goType(schema);
  const struct = parent.name.slice(parent.name.lastIndexOf('.') + 1);
  const place = [struct, path.replaceAll(/\[\d+\]/g, '')].filter(Boolean).join('.');
  return `json: cannot unmarshal ${jsonType(value)} into Go struct field ${place} of type ${type}`;
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' && !Number.isInteger(value)) return `number ${value}`;
  return typeof value;
}

function goType(schema: TypeSchema): string {
  switch (schema.type) {
    case 'array':
      return `[]${goType(schema.items)}`;
    case 'map':
      return `map[string]${goType(schema.values)}`;
    case 'object':
      return schema.name.replace(/^.*\//, '') || 'object';
    case 'boolean':
      return 'bool';
    case 'integer':
      return 'int32';
    case 'number':
      return 'float64';
    case 'bytes':
      return '[]uint8';
    case 'int-or-string':
      return 'intstr.IntOrString';
    case 'quantity':
      return 'resource.Quantity';
    case 'time':
      return 'v1.Time';
    case 'micro-time':
      return 'v1.MicroTime';
    case 'string':
    case 'any':
      return schema.type;
    default:
      return schema satisfies never;
  }
}
