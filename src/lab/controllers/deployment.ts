import { isAlreadyExists, isNotFound } from '../../cluster/client.ts';
import { deployments, replicaSets } from '../../cluster/resources.ts';
import { objectKey, type Deployment, type ReplicaSet } from '../../model/objects.ts';
import { compileLabelSelector, matchesSelector } from '../../model/selectors.ts';
import { claim } from './claim.ts';
import { batchMs, createControllerEvents, createControllerQueue } from './controller.ts';
import type { Controller, ControllerContext } from './controller.ts';
import {
  draftReplicaSet,
  isSameTemplate,
  nextRevision,
  revisionAnnotation,
  revisionOf,
  sizeAnnotations,
  splitReplicaSets,
  withRevision,
} from './deployment-revision.ts';
import { deploymentStatus, isComplete, progressDeadlineMs } from './deployment-status.ts';
import { orphansOf } from './informers.ts';
import { controllerOf, uidOf } from './owner.ts';
import { isPodFinished } from './pod-state.ts';
import { createRecentWrites } from './recent-writes.ts';
import {
  desiredAnnotation,
  isScaling,
  maxAnnotation,
  newReplicas,
  proportionalScales,
  replicasOf,
  shrinkOld,
  type Scale,
} from './rolling-update.ts';
import { writeStatus } from './status.ts';

const name = 'deployment-controller';

/** A Deployment and its ReplicaSets while they are worked on; replaced by what the server answers. */
interface Rollout {
  deployment: Deployment;
  newest: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
  created: boolean;
  collisionCount?: number;
}

/** Rolls templates out over ReplicaSets: RollingUpdate, Recreate, pause, rollback, history. */
export function createDeploymentController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const events = createControllerEvents(context, name);
  const recent = createRecentWrites<ReplicaSet>(clock);
  const queue = createControllerQueue(context, name, sync);

  async function sync(key: string): Promise<void> {
    const deployment = informers.deployments.get(key);
    if (!deployment) return;
    const replicaSetsOf = await owned(deployment);
    const rollout: Rollout = { deployment, ...splitReplicaSets(deployment, replicaSetsOf), created: false };
    if (!deployment.metadata?.deletionTimestamp) await act(rollout);
    await report(rollout);
  }

  async function owned(deployment: Deployment): Promise<readonly ReplicaSet[]> {
    const selector = compileLabelSelector(deployment.spec?.selector);
    return claim(context, {
      resource: replicaSets,
      owner: deployment,
      ownerResource: deployments,
      owned: recent.correct(
        uidOf(deployment),
        informers.replicaSets.byIndex('controller', uidOf(deployment)),
      ),
      orphans: informers.replicaSets.byIndex('controller', orphansOf(deployment.metadata?.namespace)),
      matches: ({ metadata }) => selector !== undefined && matchesSelector(selector, metadata?.labels),
    });
  }

  async function act(rollout: Rollout): Promise<void> {
    const { deployment, newest, old } = rollout;
    const all = newest ? [newest, ...old] : old;
    if (deployment.spec?.paused || isScaling(deployment, all)) {
      await scaleAll(rollout, proportionalScales(deployment, { newest, old }));
      await refreshSizes(rollout);
    } else if (deployment.spec?.strategy?.type === 'Recreate') await recreate(rollout);
    else await rollingUpdate(rollout);
    if (isComplete(deployment, deployment.status ?? {})) await forgetHistory(rollout);
  }

  async function rollingUpdate(rollout: Rollout): Promise<void> {
    await ensureNewest(rollout);
    const { deployment, newest } = rollout;
    if (!newest) return;
    const total = [newest, ...rollout.old].reduce((sum, replicaSet) => sum + replicasOf(replicaSet), 0);
    const replicas = newReplicas(deployment, { current: replicasOf(newest), total });
    if (replicas !== replicasOf(newest)) return scaleAll(rollout, [{ replicaSet: newest, replicas }]);
    await scaleAll(rollout, shrinkOld(deployment, { newest, old: rollout.old }));
  }

  async function recreate(rollout: Rollout): Promise<void> {
    const active = rollout.old.filter((replicaSet) => replicasOf(replicaSet) > 0);
    if (active.length > 0)
      return scaleAll(
        rollout,
        active.map((replicaSet) => ({ replicaSet, replicas: 0 })),
      );
    const lingering = rollout.old.some(
      (replicaSet) =>
        (replicaSet.status?.replicas ?? 0) > 0 ||
        informers.pods.byIndex('controller', uidOf(replicaSet)).some((pod) => !isPodFinished(pod)),
    );
    if (lingering) return;
    await ensureNewest(rollout);
    const wanted = replicasOf(rollout.deployment);
    if (rollout.newest && replicasOf(rollout.newest) !== wanted)
      await scaleAll(rollout, [{ replicaSet: rollout.newest, replicas: wanted }]);
  }

  async function ensureNewest(rollout: Rollout): Promise<void> {
    const revision = nextRevision(rollout.old);
    if (!rollout.newest) await createNewest(rollout, revision);
    else {
      const wanted = withRevision(rollout.newest, { deployment: rollout.deployment, revision });
      if (wanted !== rollout.newest) replace(rollout, await update(rollout, wanted));
    }
    if (!rollout.newest || revisionOf(rollout.newest) === revisionOf(rollout.deployment)) return;
    const annotations = { [revisionAnnotation]: String(revisionOf(rollout.newest)) };
    rollout.deployment = await client.patch(deployments, nameOf(rollout.deployment), {
      type: 'merge',
      body: { metadata: { annotations } },
    });
  }

  async function createNewest(rollout: Rollout, revision: number): Promise<void> {
    const { deployment, old } = rollout;
    const total = old.reduce((sum, replicaSet) => sum + replicasOf(replicaSet), 0);
    const replicas = newReplicas(deployment, { current: 0, total });
    const draft = draftReplicaSet(deployment, { revision, replicas });
    try {
      rollout.newest = await client.create(replicaSets, draft);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const taken = await client.get(replicaSets, nameOf(draft));
      if (
        controllerOf(taken)?.uid === uidOf(deployment) &&
        isSameTemplate(taken.spec?.template, deployment.spec?.template)
      )
        rollout.newest = taken;
      else rollout.collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
      return;
    }
    rollout.created = true;
    recent.wrote(uidOf(deployment), rollout.newest);
    if (replicas > 0) recordScale(rollout, { replicaSet: rollout.newest, from: 0, to: replicas });
  }

  async function update({ deployment }: Rollout, wanted: ReplicaSet): Promise<ReplicaSet> {
    const written = await client.update(replicaSets, wanted);
    recent.wrote(uidOf(deployment), written);
    return written;
  }

  async function scaleAll(rollout: Rollout, scales: readonly Scale[]): Promise<void> {
    const annotations = sizeAnnotations(rollout.deployment);
    for (const { replicaSet, replicas } of scales) {
      const { metadata, spec } = replicaSet;
      const written = await update(rollout, {
        ...replicaSet,
        metadata: { ...metadata, annotations: { ...metadata?.annotations, ...annotations } },
        ...(spec && { spec: { ...spec, replicas } }),
      });
      recordScale(rollout, { replicaSet, from: replicasOf(replicaSet), to: replicas });
      replace(rollout, written);
    }
  }

  /** ReplicaSets whose own size did not change still have to remember the Deployment's. */
  async function refreshSizes(rollout: Rollout): Promise<void> {
    const annotations = sizeAnnotations(rollout.deployment);
    for (const replicaSet of rollout.newest ? [rollout.newest, ...rollout.old] : rollout.old) {
      const current = replicaSet.metadata?.annotations ?? {};
      const isCurrent = [desiredAnnotation, maxAnnotation].every((key) => current[key] === annotations[key]);
      if (isCurrent || replicasOf(replicaSet) === 0) continue;
      const metadata = { ...replicaSet.metadata, annotations: { ...current, ...annotations } };
      replace(rollout, await update(rollout, { ...replicaSet, metadata }));
    }
  }

  function recordScale(
    { deployment }: Rollout,
    { replicaSet, from, to }: { replicaSet: ReplicaSet; from: number; to: number },
  ): void {
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${replicaSet.metadata?.name} from ${from} to ${to}`;
    events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
  }

  /** Deletes the oldest ReplicaSets that are empty, beyond the number a rollback may want. */
  async function forgetHistory({ deployment, old }: Rollout): Promise<void> {
    const limit = deployment.spec?.revisionHistoryLimit ?? 10;
    const empty = old.filter(
      ({ spec, status, metadata }) =>
        spec?.replicas === 0 &&
        (status?.replicas ?? 0) === 0 &&
        !metadata?.deletionTimestamp &&
        (metadata?.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
    const excess = old.length - limit;
    for (const replicaSet of empty
      .toSorted((a, b) => revisionOf(a) - revisionOf(b))
      .slice(0, Math.max(0, excess)))
      try {
        await client.delete(replicaSets, nameOf(replicaSet), { preconditions: { uid: uidOf(replicaSet) } });
        recent.deleted(uidOf(deployment), replicaSet);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
  }

  async function report(rollout: Rollout): Promise<void> {
    const { deployment, newest, old, created, collisionCount } = rollout;
    const nowMs = clock.now();
    const status = deploymentStatus(deployment, { newest, old, created, collisionCount, nowMs });
    const written = await writeStatus(client, deployments, { object: deployment, status });
    const deadlineMs = progressDeadlineMs(written ?? deployment);
    if (deadlineMs !== undefined) queue.addAfter(objectKey(deployment), Math.max(1000, deadlineMs - nowMs));
  }

  function enqueueOwner(object: ReplicaSet): void {
    const owner = controllerOf(object);
    const namespace = object.metadata?.namespace ?? '';
    if (owner?.kind === 'Deployment') queue.addAfter(`${namespace}/${owner.name}`, batchMs);
    else if (!owner)
      for (const deployment of informers.deployments.byIndex('namespace', namespace)) {
        const selector = compileLabelSelector(deployment.spec?.selector);
        if (selector && matchesSelector(selector, object.metadata?.labels)) queue.add(objectKey(deployment));
      }
  }

  return {
    name,
    async run(signal) {
      informers.deployments.onChange(({ key }) => queue.add(key));
      informers.replicaSets.onChange(({ object, previous }) => {
        enqueueOwner(object);
        if (previous && controllerOf(previous)?.uid !== controllerOf(object)?.uid) enqueueOwner(previous);
      });
      // Recreate waits for the last pod of the old ReplicaSets.
      informers.pods.onChange(({ type, object }) => {
        if (type !== 'deleted') return;
        const owner = controllerOf(object);
        const replicaSet =
          owner?.kind === 'ReplicaSet' &&
          informers.replicaSets.get(`${object.metadata?.namespace ?? ''}/${owner.name}`);
        if (replicaSet) enqueueOwner(replicaSet);
      });
      await queue.run(signal);
    },
  };
}

function replace(rollout: Rollout, written: ReplicaSet): void {
  if (rollout.newest && uidOf(rollout.newest) === uidOf(written)) rollout.newest = written;
  rollout.old = rollout.old.map((replicaSet) =>
    uidOf(replicaSet) === uidOf(written) ? written : replicaSet,
  );
}

function nameOf({ metadata }: Deployment | ReplicaSet): { namespace: string; name: string } {
  return { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}
