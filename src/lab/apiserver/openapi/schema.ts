import { schemaText } from './schemas.generated.ts';

/** What a value may be. Integers are whole numbers; quantities are numbers or strings, times RFC 3339 strings. */
export type ScalarType =
  | 'any'
  | 'boolean'
  | 'bytes'
  | 'int-or-string'
  | 'integer'
  | 'micro-time'
  | 'number'
  | 'quantity'
  | 'string'
  | 'time';

export interface ScalarSchema {
  readonly type: ScalarType;
}

export interface ArraySchema {
  readonly type: 'array';
  readonly items: TypeSchema;
}

export interface MapSchema {
  readonly type: 'map';
  readonly values: TypeSchema;
}

export interface ObjectSchema {
  readonly type: 'object';
  /** `core/v1.Pod`, by the directories of Kubernetes' API; empty for a custom kind's objects. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, FieldSchema>;
  /** Server-side apply treats the whole as one value. */
  readonly atomic: boolean;
  /** Fields that are not listed are kept (x-kubernetes-preserve-unknown-fields). */
  readonly open: boolean;
  /** The group, version and kind, when it is a whole object. */
  readonly kind: GroupVersionKind | undefined;
}

export type TypeSchema = ScalarSchema | ArraySchema | MapSchema | ObjectSchema;

export interface FieldSchema {
  readonly name: string;
  readonly required: boolean;
  readonly schema: TypeSchema;
  /** Of an array: how server-side apply merges it; `map` by `mapKeys`. */
  readonly listType: 'atomic' | 'set' | 'map';
  readonly mapKeys: readonly string[];
  /** Of an array: the key strategic merge patches merge by, empty for plain values; undefined replaces the list. */
  readonly patchMergeKey: string | undefined;
  /** Strategic merge patches send `$retainKeys` for it. */
  readonly retainKeys: boolean;
  /** Of a map or an object: server-side apply treats it as one value. */
  readonly atomic: boolean;
}

export interface GroupVersionKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const scalars = new Map<string, ScalarSchema>(
  (
    [
      'any',
      'boolean',
      'bytes',
      'int-or-string',
      'integer',
      'micro-time',
      'number',
      'quantity',
      'string',
      'time',
    ] as const
  ).map((type) => [type, { type }]),
);

/**
 * One block of the generated text, read when its fields are first asked for:
 * ```
 * core/v1.Pod v1 Pod                      name, apiVersion and kind of a whole object, `atomic`
 * containers! []core/v1.Container keys=name merge=name
 * nodeSelector map string atomic          name, `!` when required, type, list words
 * ```
 */
class Definition implements ObjectSchema {
  readonly type = 'object';
  readonly name: string;
  readonly atomic: boolean;
  readonly open = false;
  readonly kind: GroupVersionKind | undefined;
  readonly #block: string;
  #fields: ReadonlyMap<string, FieldSchema> | undefined;

  constructor(block: string) {
    const end = block.indexOf('\n');
    const words = (end < 0 ? block : block.slice(0, end)).split(' ');
    this.name = words[0] ?? '';
    this.atomic = words.at(-1) === 'atomic';
    const [, apiVersion, kind] = words;
    if (apiVersion && kind) {
      const slash = apiVersion.indexOf('/');
      this.kind = {
        group: apiVersion.slice(0, Math.max(slash, 0)),
        version: apiVersion.slice(slash + 1),
        kind,
      };
    }
    this.#block = block;
  }

  get fields(): ReadonlyMap<string, FieldSchema> {
    if (!this.#fields) {
      const fields = this.#block.split('\n').slice(1).map(readField);
      this.#fields = new Map(fields.map((field) => [field.name, field]));
    }
    return this.#fields;
  }
}

function readField(line: string): FieldSchema {
  const words = line.split(' ');
  const nameWord = words.shift() ?? '';
  const required = nameWord.endsWith('!');
  let type = words.shift() ?? '';
  if (type.endsWith('map')) type += ` ${words.shift()}`;
  const valueOf = (key: string): string | undefined =>
    words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const mapKeys = valueOf('keys')?.split(',') ?? [];
  return {
    name: required ? nameWord.slice(0, -1) : nameWord,
    required,
    schema: readType(type),
    listType: words.includes('set') ? 'set' : mapKeys.length > 0 ? 'map' : 'atomic',
    mapKeys,
    patchMergeKey: valueOf('merge'),
    retainKeys: words.includes('retain'),
    atomic: words.includes('atomic'),
  };
}

function readType(text: string): TypeSchema {
  if (text.startsWith('[]')) return { type: 'array', items: readType(text.slice(2)) };
  if (text.startsWith('map ')) return { type: 'map', values: readType(text.slice(4)) };
  return scalars.get(text) ?? definitionNamed(text);
}

let index: { byName: Map<string, Definition>; byKind: Map<string, Definition> } | undefined;

function definitions(): { byName: Map<string, Definition>; byKind: Map<string, Definition> } {
  if (index) return index;
  index = { byName: new Map(), byKind: new Map() };
  for (const block of schemaText.trim().split('\n\n')) {
    const definition = new Definition(block);
    index.byName.set(definition.name, definition);
    if (definition.kind) index.byKind.set(kindKey(definition.kind), definition);
  }
  return index;
}

function kindKey({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}/${kind}`;
}

/** The definition of a built-in type, by its name: `meta/v1.ObjectMeta`. Throws a RangeError for an unknown one. */
export function definitionNamed(name: string): ObjectSchema {
  const definition = definitions().byName.get(name);
  if (!definition) throw new RangeError(`No schema definition is called ${name}`);
  return definition;
}

/** The schema of a built-in kind; undefined for custom and unknown kinds. */
export function schemaFor(kind: GroupVersionKind): ObjectSchema | undefined {
  return definitions().byKind.get(kindKey(kind));
}

/** The scalar schemas by name. */
export function scalarSchema(type: ScalarType): ScalarSchema {
  return scalars.get(type) ?? { type };
}

/** What stands behind a path of field names, `*` for the items of an array or the values of a map. */
export function schemaAt(schema: TypeSchema, path: readonly string[]): TypeSchema | undefined {
  let current: TypeSchema | undefined = schema;
  for (const step of path) {
    if (current?.type === 'object') current = current.fields.get(step)?.schema;
    else if (current?.type === 'array') current = current.items;
    else if (current?.type === 'map') current = current.values;
    else return undefined;
  }
  return current;
}
