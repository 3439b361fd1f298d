/** The kinds this API server serves: the one table that storage, REST, discovery, OpenAPI and printing read. */

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** One subresource of a kind; `group`, `version` and `kind` describe its body when that is not the parent's. */
export interface ServedSubresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

/** One kind in one group and version. `group` is the empty string for the core group. */
export interface ServedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly subresources: readonly ServedSubresource[];
  /**
   * `plural.group` of the objects on disk. Two served kinds with one storage are two views of the same objects
   * (events in the core group and in events.k8s.io).
   */
  readonly storage: string;
  /** True when the kind came from a CustomResourceDefinition. */
  readonly custom: boolean;
}

const ALL: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];
const CREATE_ONLY: readonly Verb[] = ['create'];
const READ_WRITE: readonly Verb[] = ['get', 'patch', 'update'];

interface KindSpec {
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly (string | ServedSubresource)[];
  readonly storage?: string;
}

function served(group: string, version: string, specs: readonly KindSpec[]): ServedKind[] {
  return specs.map((spec) => ({
    group,
    version,
    kind: spec.kind,
    plural: spec.plural,
    singular: spec.singular ?? spec.kind.toLowerCase(),
    shortNames: spec.shortNames ?? [],
    categories: spec.categories ?? [],
    namespaced: spec.namespaced ?? true,
    verbs: spec.verbs ?? ALL,
    subresources: (spec.subresources ?? []).map((subresource) =>
      typeof subresource === 'string'
        ? { name: subresource, group, version, kind: spec.kind, verbs: READ_WRITE }
        : subresource,
    ),
    storage: spec.storage ?? storageName(group, spec.plural),
    custom: false,
  }));
}

/** `pods`, `deployments.apps`: the name of a kind's storage and of its GroupResource. */
export function storageName(group: string, plural: string): string {
  return group === '' ? plural : `${plural}.${group}`;
}

const SCALE: ServedSubresource = {
  name: 'scale',
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  verbs: READ_WRITE,
};

function withBody(
  name: string,
  {
    group = '',
    version = 'v1',
    kind,
    verbs,
  }: { group?: string; version?: string; kind: string; verbs: readonly Verb[] },
): ServedSubresource {
  return { name, group, version, kind, verbs };
}

const CORE = served('', 'v1', [
  { kind: 'Binding', plural: 'bindings', verbs: CREATE_ONLY },
  { kind: 'ConfigMap', plural: 'configmaps', shortNames: ['cm'] },
  { kind: 'Endpoints', plural: 'endpoints', singular: 'endpoints', shortNames: ['ep'] },
  { kind: 'Event', plural: 'events', shortNames: ['ev'] },
  { kind: 'LimitRange', plural: 'limitranges', shortNames: ['limits'] },
  {
    kind: 'Namespace',
    plural: 'namespaces',
    shortNames: ['ns'],
    namespaced: false,
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: ['status', withBody('finalize', { kind: 'Namespace', verbs: ['update'] })],
  },
  { kind: 'Node', plural: 'nodes', shortNames: ['no'], namespaced: false, subresources: ['status'] },
  {
    kind: 'PersistentVolumeClaim',
    plural: 'persistentvolumeclaims',
    shortNames: ['pvc'],
    subresources: ['status'],
  },
  {
    kind: 'PersistentVolume',
    plural: 'persistentvolumes',
    shortNames: ['pv'],
    namespaced: false,
    subresources: ['status'],
  },
  {
    kind: 'Pod',
    plural: 'pods',
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      'status',
      'ephemeralcontainers',
      withBody('attach', { kind: 'PodAttachOptions', verbs: ['create', 'get'] }),
      withBody('binding', { kind: 'Binding', verbs: CREATE_ONLY }),
      withBody('eviction', { group: 'policy', kind: 'Eviction', verbs: CREATE_ONLY }),
      withBody('exec', { kind: 'PodExecOptions', verbs: ['create', 'get'] }),
      withBody('log', { kind: 'Pod', verbs: ['get'] }),
      withBody('portforward', { kind: 'PodPortForwardOptions', verbs: ['create', 'get'] }),
    ],
  },
  { kind: 'PodTemplate', plural: 'podtemplates' },
  {
    kind: 'ReplicationController',
    plural: 'replicationcontrollers',
    shortNames: ['rc'],
    categories: ['all'],
    subresources: ['status', SCALE],
  },
  { kind: 'ResourceQuota', plural: 'resourcequotas', shortNames: ['quota'], subresources: ['status'] },
  { kind: 'Secret', plural: 'secrets' },
  {
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    subresources: [
      withBody('token', { group: 'authentication.k8s.io', kind: 'TokenRequest', verbs: CREATE_ONLY }),
    ],
  },
  { kind: 'Service', plural: 'services', shortNames: ['svc'], categories: ['all'], subresources: ['status'] },
]);

const APPS = served('apps', 'v1', [
  { kind: 'ControllerRevision', plural: 'controllerrevisions' },
  {
    kind: 'DaemonSet',
    plural: 'daemonsets',
    shortNames: ['ds'],
    categories: ['all'],
    subresources: ['status'],
  },
  {
    kind: 'Deployment',
    plural: 'deployments',
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: ['status', SCALE],
  },
  {
    kind: 'ReplicaSet',
    plural: 'replicasets',
    shortNames: ['rs'],
    categories: ['all'],
    subresources: ['status', SCALE],
  },
  {
    kind: 'StatefulSet',
    plural: 'statefulsets',
    shortNames: ['sts'],
    categories: ['all'],
    subresources: ['status', SCALE],
  },
]);

const AUTOSCALER: KindSpec = {
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: ['status'],
};

const SUBJECT_REVIEW = { namespaced: false, verbs: CREATE_ONLY };

/** Built-in kinds, each group's preferred version first. */
export const builtInKinds: readonly ServedKind[] = [
  ...CORE,
  ...served('authentication.k8s.io', 'v1', [
    { kind: 'SelfSubjectReview', plural: 'selfsubjectreviews', ...SUBJECT_REVIEW },
    { kind: 'TokenReview', plural: 'tokenreviews', ...SUBJECT_REVIEW },
  ]),
  ...served('authorization.k8s.io', 'v1', [
    { kind: 'LocalSubjectAccessReview', plural: 'localsubjectaccessreviews', verbs: CREATE_ONLY },
    { kind: 'SelfSubjectAccessReview', plural: 'selfsubjectaccessreviews', ...SUBJECT_REVIEW },
    { kind: 'SelfSubjectRulesReview', plural: 'selfsubjectrulesreviews', ...SUBJECT_REVIEW },
    { kind: 'SubjectAccessReview', plural: 'subjectaccessreviews', ...SUBJECT_REVIEW },
  ]),
  ...APPS,
  ...served('autoscaling', 'v2', [AUTOSCALER]),
  ...served('autoscaling', 'v1', [AUTOSCALER]),
  ...served('batch', 'v1', [
    {
      kind: 'CronJob',
      plural: 'cronjobs',
      shortNames: ['cj'],
      categories: ['all'],
      subresources: ['status'],
    },
    { kind: 'Job', plural: 'jobs', categories: ['all'], subresources: ['status'] },
  ]),
  ...served('coordination.k8s.io', 'v1', [{ kind: 'Lease', plural: 'leases' }]),
  ...served('discovery.k8s.io', 'v1', [{ kind: 'EndpointSlice', plural: 'endpointslices' }]),
  ...served('events.k8s.io', 'v1', [
    { kind: 'Event', plural: 'events', shortNames: ['ev'], storage: 'events' },
  ]),
  ...served('networking.k8s.io', 'v1', [
    { kind: 'IngressClass', plural: 'ingressclasses', namespaced: false },
    { kind: 'Ingress', plural: 'ingresses', shortNames: ['ing'], subresources: ['status'] },
    { kind: 'NetworkPolicy', plural: 'networkpolicies', shortNames: ['netpol'] },
  ]),
  ...served('policy', 'v1', [
    {
      kind: 'PodDisruptionBudget',
      plural: 'poddisruptionbudgets',
      shortNames: ['pdb'],
      subresources: ['status'],
    },
  ]),
  ...served('rbac.authorization.k8s.io', 'v1', [
    { kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', namespaced: false },
    { kind: 'ClusterRole', plural: 'clusterroles', namespaced: false },
    { kind: 'RoleBinding', plural: 'rolebindings' },
    { kind: 'Role', plural: 'roles' },
  ]),
  ...served('scheduling.k8s.io', 'v1', [
    { kind: 'PriorityClass', plural: 'priorityclasses', shortNames: ['pc'], namespaced: false },
  ]),
  ...served('storage.k8s.io', 'v1', [
    { kind: 'StorageClass', plural: 'storageclasses', shortNames: ['sc'], namespaced: false },
  ]),
  ...served('apiextensions.k8s.io', 'v1', [
    {
      kind: 'CustomResourceDefinition',
      plural: 'customresourcedefinitions',
      shortNames: ['crd', 'crds'],
      categories: ['api-extensions'],
      namespaced: false,
      subresources: ['status'],
    },
  ]),
];

/** The built-in kinds and those that CustomResourceDefinitions add while the server runs. */
export interface Registry {
  /** Every served kind, the built-in ones first; a new array whenever a custom kind comes or goes. */
  kinds(): readonly ServedKind[];
  /** The kind served under `/api/v1/PLURAL` or `/apis/GROUP/VERSION/PLURAL`. */
  byPlural(group: string, version: string, plural: string): ServedKind | undefined;
  byKind(group: string, version: string, kind: string): ServedKind | undefined;
  /** Replaces every kind that came from the CustomResourceDefinition called `source`; an empty list removes them. */
  setCustom(source: string, kinds: readonly ServedKind[]): void;
  /** Grows by one with every change of the table. */
  readonly generation: number;
}

export function createRegistry(): Registry {
  const custom = new Map<string, readonly ServedKind[]>();
  let all = builtInKinds;
  let plurals = index(all, (kind) => kind.plural);
  let names = index(all, (kind) => kind.kind);
  let generation = 0;
  return {
    kinds: () => all,
    byPlural: (group, version, plural) => plurals.get(`${group}/${version}/${plural}`),
    byKind: (group, version, kind) => names.get(`${group}/${version}/${kind}`),
    setCustom(source, kinds) {
      if (kinds.length === 0) custom.delete(source);
      else custom.set(source, kinds);
      all = [...builtInKinds, ...[...custom.values()].flat()];
      plurals = index(all, (kind) => kind.plural);
      names = index(all, (kind) => kind.kind);
      generation += 1;
    },
    get generation() {
      return generation;
    },
  };
}

function index(kinds: readonly ServedKind[], name: (kind: ServedKind) => string): Map<string, ServedKind> {
  return new Map(kinds.map((kind) => [`${kind.group}/${kind.version}/${name(kind)}`, kind]));
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({
  group,
  version,
}: {
  readonly group: string;
  readonly version: string;
}): string {
  return group === '' ? version : `${group}/${version}`;
}
