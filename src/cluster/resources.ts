import type { ControllerRevision, DaemonSet, StatefulSet } from 'kubernetes-types/apps/v1.d.ts';
import type { CronJob, Job } from 'kubernetes-types/batch/v1.d.ts';
import type { Lease } from 'kubernetes-types/coordination/v1.d.ts';
import type { Ingress, IngressClass, NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts';
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Event,
  KubeObject,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Service,
  ServiceAccount,
} from '../model/objects.ts';

declare const object: unique symbol;

/** One kind of object as the API serves it. `T` is only a type: what the objects of this resource look like. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly [object]?: T;
}

function namespaced<T extends KubeObject>(apiVersion: string, plural: string, kind: string): Resource<T> {
  return { ...parseApiVersion(apiVersion), plural, kind, namespaced: true };
}

function clusterScoped<T extends KubeObject>(apiVersion: string, plural: string, kind: string): Resource<T> {
  return { ...parseApiVersion(apiVersion), plural, kind, namespaced: false };
}

export const pods = namespaced<Pod>('v1', 'pods', 'Pod');
export const services = namespaced<Service>('v1', 'services', 'Service');
export const endpoints = namespaced<Endpoints>('v1', 'endpoints', 'Endpoints');
export const configMaps = namespaced<ConfigMap>('v1', 'configmaps', 'ConfigMap');
export const secrets = namespaced<Secret>('v1', 'secrets', 'Secret');
export const serviceAccounts = namespaced<ServiceAccount>('v1', 'serviceaccounts', 'ServiceAccount');
export const events = namespaced<Event>('v1', 'events', 'Event');
export const nodes = clusterScoped<Node>('v1', 'nodes', 'Node');
export const namespaces = clusterScoped<Namespace>('v1', 'namespaces', 'Namespace');
export const deployments = namespaced<Deployment>('apps/v1', 'deployments', 'Deployment');
export const replicaSets = namespaced<ReplicaSet>('apps/v1', 'replicasets', 'ReplicaSet');
export const statefulSets = namespaced<StatefulSet>('apps/v1', 'statefulsets', 'StatefulSet');
export const daemonSets = namespaced<DaemonSet>('apps/v1', 'daemonsets', 'DaemonSet');
export const controllerRevisions = namespaced<ControllerRevision>(
  'apps/v1',
  'controllerrevisions',
  'ControllerRevision',
);
export const jobs = namespaced<Job>('batch/v1', 'jobs', 'Job');
export const cronJobs = namespaced<CronJob>('batch/v1', 'cronjobs', 'CronJob');
export const endpointSlices = namespaced<EndpointSlice>(
  'discovery.k8s.io/v1',
  'endpointslices',
  'EndpointSlice',
);
export const leases = namespaced<Lease>('coordination.k8s.io/v1', 'leases', 'Lease');
export const networkPolicies = namespaced<NetworkPolicy>(
  'networking.k8s.io/v1',
  'networkpolicies',
  'NetworkPolicy',
);
export const ingresses = namespaced<Ingress>('networking.k8s.io/v1', 'ingresses', 'Ingress');
export const ingressClasses = clusterScoped<IngressClass>(
  'networking.k8s.io/v1',
  'ingressclasses',
  'IngressClass',
);

/** `apps/v1`, or `v1` for the core group: what an object's `apiVersion` says. */
export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The reverse of `apiVersionOf`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1) };
}

/** Where in a resource: a collection (no name), an object, or a subresource of one. */
export interface ResourcePlace {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/**
 * `/apis/apps/v1/namespaces/default/deployments/web/status`. Without a namespace: of all namespaces.
 * @throws RangeError for a name that would lead elsewhere (`..`)
 */
export function resourcePath(
  resource: Resource,
  { namespace, name, subresource }: ResourcePlace = {},
): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  let path = `${root}/${resource.version}`;
  if (resource.namespaced && namespace) path += `/namespaces/${segment(namespace)}`;
  path += `/${resource.plural}`;
  if (name) path += `/${segment(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

function segment(name: string): string {
  if (name === '.' || name === '..') throw new RangeError(`"${name}" cannot name an object`);
  return encodeURIComponent(name);
}
