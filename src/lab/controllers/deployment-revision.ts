import { isDeepStrictEqual } from 'node:util';
import { deployments } from '../../cluster/resources.ts';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../model/objects.ts';
import { controllerReference } from './owner.ts';
import { boundsOf, desiredAnnotation, maxAnnotation, replicasOf } from './rolling-update.ts';

export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const historyAnnotation = 'deployment.kubernetes.io/revision-history';

/** Written by the controller itself or by kubectl: not handed on to ReplicaSets. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
]);

/** Letters and digits that spell no words, as Kubernetes uses them in generated names. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Names a template: the same template always gets the same hash, until a collision is counted. */
export function templateHash(template: PodTemplateSpec | undefined, collisionCount = 0): string {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (const byte of Buffer.from(canonicalJson(template) + (collisionCount || '')))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return Array.from(String(hash), (digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('');
}

/** Independent of the order of fields. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`;
}

/** The same pods, whatever the hash label says. */
export function isSameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return isDeepStrictEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return JSON.parse(JSON.stringify({ ...template, metadata: { ...template?.metadata, labels } }));
}

/** The ReplicaSet of the Deployment's present template (the oldest, should there be several), and all others by age. */
export function splitReplicaSets(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
): { newest: ReplicaSet | undefined; old: readonly ReplicaSet[] } {
  const byAge = replicaSets.toSorted(
    (a, b) =>
      Date.parse(a.metadata?.creationTimestamp ?? '') - Date.parse(b.metadata?.creationTimestamp ?? '') ||
      ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1),
  );
  const newest = byAge.find(({ spec }) => isSameTemplate(spec?.template, deployment.spec?.template));
  return { newest, old: byAge.filter((replicaSet) => replicaSet !== newest) };
}

export function revisionOf({ metadata }: ReplicaSet | Deployment): number {
  return Number.parseInt(metadata?.annotations?.[revisionAnnotation] ?? '0', 10) || 0;
}

/** One more than any old ReplicaSet's. */
export function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1;
}

function inherited(deployment: Deployment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata?.annotations ?? {}).filter(([key]) => !ownAnnotations.has(key)),
  );
}

/** What a ReplicaSet remembers of the Deployment's size. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const replicas = replicasOf(deployment);
  return {
    [desiredAnnotation]: String(replicas),
    [maxAnnotation]: String(replicas + boundsOf(deployment).maxSurge),
  };
}

/** The ReplicaSet to create for a template that has none. */
export function draftReplicaSet(
  deployment: Deployment,
  { revision, replicas }: { revision: number; replicas: number },
): ReplicaSet {
  const { metadata, spec, status } = deployment;
  const hash = templateHash(spec?.template, status?.collisionCount);
  const templateMeta = spec?.template?.metadata;
  const labels = { ...templateMeta?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${metadata?.name ?? ''}-${hash}`,
      namespace: metadata?.namespace ?? '',
      labels,
      annotations: {
        ...inherited(deployment),
        ...sizeAnnotations(deployment),
        [revisionAnnotation]: String(revision),
      },
      ownerReferences: [controllerReference(deployments, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: spec?.minReadySeconds ?? 0,
      selector: {
        ...spec?.selector,
        matchLabels: { ...spec?.selector?.matchLabels, [hashLabel]: hash },
      },
      template: { ...spec?.template, metadata: { ...templateMeta, labels } },
    },
  };
}

/** The newest ReplicaSet with the annotations it should have; the same object when it has them. */
export function withRevision(
  replicaSet: ReplicaSet,
  { deployment, revision }: { deployment: Deployment; revision: number },
): ReplicaSet {
  const current = replicaSet.metadata?.annotations ?? {};
  const before = revisionOf(replicaSet);
  const annotations = { ...current, ...inherited(deployment) };
  if (before < revision) {
    annotations[revisionAnnotation] = String(revision);
    if (before > 0)
      annotations[historyAnnotation] = [current[historyAnnotation], before].filter(Boolean).join(',');
  }
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const { spec } = replicaSet;
  if (isDeepStrictEqual(annotations, current) && (spec?.minReadySeconds ?? 0) === minReadySeconds)
    return replicaSet;
  return {
    ...replicaSet,
    metadata: { ...replicaSet.metadata, annotations },
    ...(spec && { spec: { ...spec, minReadySeconds } }),
  };
}
