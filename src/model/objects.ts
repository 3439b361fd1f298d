/**
 * The Kubernetes objects podnet speaks of, in the form they have on the wire (times are RFC 3339 strings).
 * The shapes come from Kubernetes' own OpenAPI document by way of `kubernetes-types`; fields are optional there
 * as they are in the API. Objects are shared between readers: never change one in place.
 */
export type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1.d.ts';
export type {
  ConfigMap,
  Container,
  ContainerPort,
  ContainerState,
  ContainerStatus,
  Endpoints,
  Event,
  Namespace,
  Node,
  Pod,
  PodCondition,
  PodSpec,
  PodStatus,
  PodTemplateSpec,
  Probe,
  Secret,
  Service,
  ServiceAccount,
  ServicePort,
} from 'kubernetes-types/core/v1.d.ts';
export type { Endpoint, EndpointSlice } from 'kubernetes-types/discovery/v1.d.ts';
export type { LabelSelector, ObjectMeta, OwnerReference, Status } from 'kubernetes-types/meta/v1.d.ts';

import type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';

/** What every Kubernetes object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** `namespace/name`, or `name` of a cluster-scoped object: the key of caches and work queues. */
export function objectKey({ metadata }: KubeObject): string {
  const name = metadata?.name ?? '';
  return metadata?.namespace ? `${metadata.namespace}/${name}` : name;
}
