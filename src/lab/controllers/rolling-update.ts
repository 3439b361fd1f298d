import type { Deployment, ReplicaSet } from '../../model/objects.ts';

/** A ReplicaSet and the size it should have. */
export interface Scale {
  readonly replicaSet: ReplicaSet;
  readonly replicas: number;
}

export interface Bounds {
  /** Pods that may exist beyond the wanted number. */
  readonly maxSurge: number;
  /** Pods of the wanted number that may be missing. */
  readonly maxUnavailable: number;
}

export const replicasOf = ({ spec }: ReplicaSet | Deployment): number => spec?.replicas ?? 1;

const availableOf = ({ status }: ReplicaSet): number => status?.availableReplicas ?? 0;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const totalOf = (replicaSets: readonly ReplicaSet[]): number => sum(replicaSets.map(replicasOf));

/** `25%` of the replicas or a plain number. */
function resolve(value: number | string | undefined, replicas: number, round: (x: number) => number): number {
  if (typeof value === 'number') return value;
  const [, percent] = /^(\d+)%$/.exec(value ?? '25%') ?? [];
  return percent === undefined ? 0 : round((Number(percent) * replicas) / 100);
}

/** Surge rounds up, unavailability down; both zero would never move, so one pod may then be missing. */
export function boundsOf({ spec }: Deployment): Bounds {
  if (spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge, maxUnavailable } = spec?.strategy?.rollingUpdate ?? {};
  const replicas = spec?.replicas ?? 1;
  const bounds = {
    maxSurge: resolve(maxSurge, replicas, Math.ceil),
    maxUnavailable: Math.min(replicas, resolve(maxUnavailable, replicas, Math.floor)),
  };
  return bounds.maxSurge === 0 && bounds.maxUnavailable === 0 ? { maxSurge: 0, maxUnavailable: 1 } : bounds;
}

/** The size a new ReplicaSet may have while pods of old ones still exist. */
export function newReplicas(
  deployment: Deployment,
  { current, total }: { current: number; total: number },
): number {
  const wanted = replicasOf(deployment);
  if (current >= wanted) return wanted;
  const room = wanted + boundsOf(deployment).maxSurge - total;
  return Math.min(wanted, current + Math.max(0, room));
}

/**
 * How far the old ReplicaSets may shrink now, so that enough pods stay available: first pods that serve nobody, then
 * the oldest ReplicaSets.
 */
export function shrinkOld(
  deployment: Deployment,
  { newest, old }: { newest: ReplicaSet; old: readonly ReplicaSet[] },
): readonly Scale[] {
  const wanted = replicasOf(deployment);
  const minAvailable = wanted - boundsOf(deployment).maxUnavailable;
  const newUnavailable = replicasOf(newest) - availableOf(newest);
  const sizes = new Map(old.map((replicaSet) => [replicaSet, replicasOf(replicaSet)]));

  // Pods of old ReplicaSets beyond this number are not needed whatever happens.
  let spare = totalOf([newest, ...old]) - minAvailable - newUnavailable;
  if (spare <= 0) return [];
  for (const [replicaSet, size] of sizes) {
    const unhealthy = Math.min(Math.max(0, size - availableOf(replicaSet)), spare);
    sizes.set(replicaSet, size - unhealthy);
    spare -= unhealthy;
  }

  // What is left of them is available: as many may go as there are available pods above the minimum.
  let excess = sum([newest, ...old].map(availableOf)) - minAvailable;
  for (const [replicaSet, size] of sizes) {
    const healthy = Math.min(size, Math.max(0, excess));
    sizes.set(replicaSet, size - healthy);
    excess -= healthy;
  }
  return [...sizes]
    .filter(([replicaSet, replicas]) => replicas !== replicasOf(replicaSet))
    .map(([replicaSet, replicas]) => ({ replicaSet, replicas }));
}

export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas';

/** The Deployment's own size changed since its ReplicaSets were last scaled. */
export function isScaling(deployment: Deployment, replicaSets: readonly ReplicaSet[]): boolean {
  return replicaSets.some((replicaSet) => {
    const desired = replicaSet.metadata?.annotations?.[desiredAnnotation];
    return replicasOf(replicaSet) > 0 && desired !== undefined && Number(desired) !== replicasOf(deployment);
  });
}

/**
 * Spreads a change of the Deployment's size over its ReplicaSets in proportion to what they have, in the middle of a
 * rollout; the remainder goes to the largest.
 */
export function proportionalScales(
  deployment: Deployment,
  { newest, old }: { newest: ReplicaSet | undefined; old: readonly ReplicaSet[] },
): readonly Scale[] {
  const all = newest ? [newest, ...old] : old;
  const active = all.filter((replicaSet) => replicasOf(replicaSet) > 0);
  const wanted = replicasOf(deployment);
  if (active.length <= 1) {
    const replicaSet = active[0] ?? newest ?? old[0];
    return replicaSet && replicasOf(replicaSet) !== wanted ? [{ replicaSet, replicas: wanted }] : [];
  }
  if (newest && replicasOf(newest) === wanted && availableOf(newest) === wanted)
    return active
      .filter((replicaSet) => replicaSet !== newest)
      .map((replicaSet) => ({ replicaSet, replicas: 0 }));
  if (deployment.spec?.strategy?.type === 'Recreate') return [];

  const allowed = wanted > 0 ? wanted + boundsOf(deployment).maxSurge : 0;
  const toAdd = allowed - totalOf(active);
  const sorted = active.toSorted(
    (a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? age(b) - age(a) : age(a) - age(b)),
  );
  let left = toAdd;
  const sizes = sorted.map((replicaSet) => {
    const share = clampTo(left, fraction(deployment, replicaSet, allowed));
    left -= share;
    return { replicaSet, replicas: Math.max(0, replicasOf(replicaSet) + share) };
  });
  const [largest, ...rest] = sizes;
  const result = largest ? [{ ...largest, replicas: Math.max(0, largest.replicas + left) }, ...rest] : [];
  return result.filter(({ replicaSet, replicas }) => replicas !== replicasOf(replicaSet));
}

/** By how much a ReplicaSet changes when the Deployment goes from its former maximum to `allowed`. */
function fraction(deployment: Deployment, replicaSet: ReplicaSet, allowed: number): number {
  const size = replicasOf(replicaSet);
  if (replicasOf(deployment) === 0) return -size;
  const former = Number(replicaSet.metadata?.annotations?.[maxAnnotation] ?? deployment.status?.replicas);
  return former > 0 ? Math.round((size * allowed) / former) - size : 0;
}

function clampTo(limit: number, value: number): number {
  return limit > 0 ? Math.min(Math.max(value, 0), limit) : Math.max(Math.min(value, 0), limit);
}

function age({ metadata }: ReplicaSet): number {
  return -Date.parse(metadata?.creationTimestamp ?? '');
}

/** The size a ReplicaSet will have: what the scales say, or what it has. */
export function sizeOf(scales: readonly Scale[], replicaSet: ReplicaSet): number {
  return scales.find((scale) => scale.replicaSet === replicaSet)?.replicas ?? replicasOf(replicaSet);
}
