import { apiVersionOf, type ServedKind, type ServedSubresource, type Verb } from '../registry.ts';
import { kindModelName, modelName } from './models.ts';
import { schemaFor } from './schema.ts';

/** One HTTP method on one path, in neither OpenAPI's form yet. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly id: string;
  /** `list`, `create`, `patch` …, as x-kubernetes-action says. */
  readonly action: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Names of query parameters. */
  readonly parameters: readonly string[];
  /** Model of the request's body. */
  readonly body: string | undefined;
  /** Model of the answer. */
  readonly answer: string | undefined;
}

export interface ApiPath {
  readonly path: string;
  readonly pathParameters: readonly string[];
  readonly operations: readonly Operation[];
}

const METHODS = {
  list: 'get',
  get: 'get',
  create: 'post',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'delete',
} as const;

const QUERY: Readonly<Record<keyof typeof METHODS, readonly string[]>> = {
  list: ['continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion', 'timeoutSeconds', 'watch'],
  get: [],
  create: ['dryRun', 'fieldManager', 'fieldValidation'],
  update: ['dryRun', 'fieldManager', 'fieldValidation'],
  patch: ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  delete: ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'],
  deletecollection: ['dryRun', 'fieldSelector', 'gracePeriodSeconds', 'labelSelector', 'propagationPolicy'],
};

/** The type of a query parameter. */
export function parameterType(name: string): 'boolean' | 'integer' | 'string' {
  if (['watch', 'force', 'orphanDependents'].includes(name)) return 'boolean';
  return ['limit', 'timeoutSeconds', 'gracePeriodSeconds'].includes(name) ? 'integer' : 'string';
}

/** Every path a kind is served under. */
export function pathsOf(kind: ServedKind): ApiPath[] {
  const prefix = kind.group === '' ? `/api/${kind.version}` : `/apis/${apiVersionOf(kind)}`;
  const scope = kind.namespaced ? '/namespaces/{namespace}' : '';
  const scopeParameters = kind.namespaced ? ['namespace'] : [];
  const collection = `${prefix}${scope}/${kind.plural}`;
  const item = `${collection}/{name}`;
  const itemParameters = ['name', ...scopeParameters];
  const paths: ApiPath[] = [
    {
      path: collection,
      pathParameters: scopeParameters,
      operations: operations(kind, ['list', 'create', 'deletecollection']),
    },
    {
      path: item,
      pathParameters: itemParameters,
      operations: operations(kind, ['get', 'update', 'patch', 'delete']),
    },
    ...kind.subresources.map((subresource) => ({
      path: `${item}/${subresource.name}`,
      pathParameters: itemParameters,
      operations: operations(kind, ['get', 'create', 'update', 'patch'], subresource),
    })),
  ];
  if (kind.namespaced && kind.verbs.includes('list')) {
    const [list] = operations(kind, ['list']);
    if (list) {
      paths.push({
        path: `${prefix}/${kind.plural}`,
        pathParameters: [],
        operations: [{ ...list, id: `${list.id}ForAllNamespaces` }],
      });
    }
  }
  return paths.filter((path) => path.operations.length > 0);
}

function operations(
  kind: ServedKind,
  candidates: readonly (keyof typeof METHODS)[],
  subresource?: ServedSubresource,
): Operation[] {
  const verbs: readonly Verb[] = subresource ? subresource.verbs : kind.verbs;
  const model = modelOf(kind, subresource);
  return candidates
    .filter((verb) => verbs.includes(verb))
    .map((verb) => ({
      method: METHODS[verb],
      id: [verb, kind.group.split('.')[0] || 'core', kind.version, kind.kind, subresource?.name ?? '']
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join(''),
      action: verb === 'create' ? 'post' : verb === 'update' ? 'put' : verb,
      group: subresource?.group ?? kind.group,
      version: subresource?.version ?? kind.version,
      kind: subresource?.kind ?? kind.kind,
      parameters: QUERY[verb],
      body: verb === 'create' || verb === 'update' ? model : undefined,
      answer:
        verb === 'list'
          ? `${kindModelName(kind)}List`
          : verb.startsWith('delete')
            ? modelName('meta/v1.Status')
            : model,
    }));
}

function modelOf(kind: ServedKind, subresource: ServedSubresource | undefined): string | undefined {
  if (!subresource || subresource.kind === kind.kind) return kindModelName(kind);
  const schema = schemaFor(subresource);
  return schema && modelName(schema.name);
}
