import type { KubeObject } from '../model/objects.ts';

/** Kinds the lab keeps and shows, and nothing acts on yet. */
const idleKinds: ReadonlySet<string> = new Set([
  'CronJob',
  'DaemonSet',
  'Gateway',
  'HTTPRoute',
  'HorizontalPodAutoscaler',
  'Ingress',
  'Job',
  'NetworkPolicy',
  'PodDisruptionBudget',
  'ReplicationController',
  'StatefulSet',
]);

/** What of an object has no effect in the lab yet, in words for a warning; undefined when it all has. */
export function whatIsIdle(object: KubeObject): string | undefined {
  const { kind = '' } = object;
  if (idleKinds.has(kind)) return `podnet keeps this ${kind}, but nothing acts on it yet`;
  const type = kind === 'Service' ? (object as { spec?: { type?: string } }).spec?.type : undefined;
  if (type === 'NodePort' || type === 'LoadBalancer') {
    return `podnet serves the cluster IP of a ${type} Service; nothing listens on its node ports yet`;
  }
  return undefined;
}
