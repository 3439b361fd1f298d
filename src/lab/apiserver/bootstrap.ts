import { isIPv6 } from 'node:net';

import { MASTER } from './auth/user.ts';
import type { Loose } from './json-value.ts';
import type { Handler } from './rest/handler.ts';
import type { Core } from './server-core.ts';
import { StatusError } from './status.ts';

export interface BootstrapOptions {
  readonly handler: Handler;
  readonly advertise: { readonly address: string; readonly port: number };
  readonly serviceAddress: string;
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const APPLICATION_GROUPS = [
  '',
  'apps',
  'autoscaling',
  'batch',
  'discovery.k8s.io',
  'networking.k8s.io',
  'policy',
];

/** The roles people bind to, in broad strokes: `view` without secrets, `edit` without roles, `admin` with both. */
const CLUSTER_ROLES: Readonly<Record<string, readonly Loose[]>> = {
  'cluster-admin': [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ],
  admin: [
    { apiGroups: APPLICATION_GROUPS, resources: ['*'], verbs: [...READ, ...WRITE] },
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['roles', 'rolebindings'],
      verbs: [...READ, ...WRITE],
    },
  ],
  edit: [{ apiGroups: APPLICATION_GROUPS, resources: ['*'], verbs: [...READ, ...WRITE] }],
  view: [
    {
      apiGroups: [''],
      resources: [
        'bindings',
        'configmaps',
        'endpoints',
        'events',
        'limitranges',
        'namespaces',
        'persistentvolumeclaims',
        'pods',
        'pods/log',
        'pods/status',
        'replicationcontrollers',
        'resourcequotas',
        'serviceaccounts',
        'services',
      ],
      verbs: READ,
    },
    { apiGroups: APPLICATION_GROUPS.filter((group) => group !== ''), resources: ['*'], verbs: READ },
  ],
};

/** What an API server makes itself: its namespaces, the Service `kubernetes` with its endpoint, system priorities, roles. */
export function bootstrap({ store }: Core, { handler, advertise, serviceAddress }: BootstrapOptions): void {
  const family = isIPv6(advertise.address) ? 'IPv6' : 'IPv4';
  const kubernetes = { name: 'kubernetes', namespace: 'default' };
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const port = { name: 'https', port: advertise.port, protocol: 'TCP' };
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    ensure('/api/v1/namespaces', { metadata: { name } });
  }
  const ensureService = (): void =>
    ensure('/api/v1/namespaces/default/services', {
      metadata: { ...kubernetes, labels },
      spec: {
        type: 'ClusterIP',
        clusterIP: serviceAddress,
        ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: advertise.port }],
      },
    });
  ensureService();
  // Whoever deletes all Services does not mean this one. Listeners may not write: it comes back in the next turn.
  store.subscribe('services', ({ type, namespace, name }) => {
    if (type === 'DELETED' && namespace === 'default' && name === 'kubernetes')
      setImmediate(() => {
        if (!store.closed) ensureService();
      });
  });
  const mirrored = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  replace('/api/v1/namespaces/default/endpoints', {
    metadata: { ...kubernetes, labels: mirrored },
    subsets: [{ addresses: [{ ip: advertise.address }], ports: [port] }],
  });
  replace('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { ...kubernetes, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: family,
    endpoints: [{ addresses: [advertise.address], conditions: { ready: true } }],
    ports: [port],
  });
  for (const [name, value, description] of [
    [
      'system-cluster-critical',
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ],
    [
      'system-node-critical',
      2_000_001_000,
      'Used for system critical pods that must not be moved from their current node.',
    ],
  ] as const) {
    ensure('/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: { name }, value, description });
  }

  for (const [name, rules] of Object.entries(CLUSTER_ROLES)) {
    ensure('/apis/rbac.authorization.k8s.io/v1/clusterroles', { metadata: { name }, rules });
  }

  function ensure(path: string, object: Loose): void {
    send('POST', path, object);
  }

  function replace(path: string, object: Loose): void {
    const { name } = kubernetes;
    const storage = path.endsWith('endpoints') ? 'endpoints' : 'endpointslices.discovery.k8s.io';
    const present = store.get({ storage, namespace: 'default', name });
    if (present === undefined) send('POST', path, object);
    else send('PUT', `${path}/${name}`, object);
  }

  function send(method: string, path: string, body: Loose): void {
    const routed = handler.route({ method, path, query: {}, user: MASTER });
    if (routed === undefined) throw new Error(`bootstrap: ${path} is not served`);
    try {
      handler.handle(routed, { body: structuredClone(body), contentType: 'application/json', warnings: [] });
    } catch (error) {
      if (!(error instanceof StatusError && error.status.reason === 'AlreadyExists')) throw error;
    }
  }
}
