import type { Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { createInformer, type Informer, type InformerOptions } from '../../cluster/informer.ts';
import {
  configMaps,
  deployments,
  endpoints,
  endpointSlices,
  leases,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
  type Resource,
} from '../../cluster/resources.ts';
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  KubeObject,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
  ServiceAccount,
} from '../../model/objects.ts';
import type { Lease } from 'kubernetes-types/coordination/v1.d.ts';
import { controllerOf } from './owner.ts';

/** One informer of each kind for all controllers. The indexes are what keeps a controller's work small. */
export interface Informers {
  readonly pods: Informer<Pod>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  readonly services: Informer<Service>;
  readonly endpoints: Informer<Endpoints>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
  readonly serviceAccounts: Informer<ServiceAccount>;
  readonly configMaps: Informer<ConfigMap>;
  readonly leases: Informer<Lease>;
}

/** Objects by the uid of the controller that owns them, and by namespace those that none owns. */
const byController = ({ metadata }: KubeObject): readonly string[] => {
  const owner = controllerOf({ metadata: metadata ?? {} });
  return [owner?.uid ?? orphansOf(metadata?.namespace)];
};

/** The `controller` index value of objects in a namespace that have no controller. */
export const orphansOf = (namespace = ''): string => `orphan/${namespace}`;

/** The `label` index value of pods that carry a label. */
export const labelOf = (namespace: string, key: string, value: string): string =>
  `${namespace}/${key}=${value}`;

const byLabel = ({ metadata }: Pod): readonly string[] =>
  Object.entries(metadata?.labels ?? {}).map(([key, value]) =>
    labelOf(metadata?.namespace ?? '', key, value),
  );

const byNamespace = ({ metadata }: KubeObject): readonly string[] => [metadata?.namespace ?? ''];

export const serviceNameLabel = 'kubernetes.io/service-name';

const byService = ({ metadata }: EndpointSlice): readonly string[] => {
  const service = metadata?.labels?.[serviceNameLabel];
  return service ? [`${metadata.namespace ?? ''}/${service}`] : [];
};

export interface InformersOptions {
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
}

export function createInformers(client: Client, { onError, clock }: InformersOptions): Informers {
  const of = <T extends KubeObject>(resource: Resource<T>, options: InformerOptions<T> = {}): Informer<T> =>
    createInformer(client, resource, { onError, clock, ...options });
  return {
    pods: of(pods, {
      indexes: {
        controller: byController,
        label: byLabel,
        namespace: byNamespace,
        node: ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []),
      },
    }),
    replicaSets: of(replicaSets, { indexes: { controller: byController, namespace: byNamespace } }),
    deployments: of(deployments, { indexes: { namespace: byNamespace } }),
    services: of(services, { indexes: { namespace: byNamespace } }),
    endpoints: of(endpoints),
    endpointSlices: of(endpointSlices, { indexes: { service: byService } }),
    nodes: of(nodes),
    namespaces: of(namespaces),
    serviceAccounts: of(serviceAccounts, { fieldSelector: 'metadata.name=default' }),
    configMaps: of(configMaps, { fieldSelector: 'metadata.name=kube-root-ca.crt' }),
    leases: of(leases, { namespace: 'kube-node-lease' }),
  };
}
