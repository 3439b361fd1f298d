import { ApiError, isForbidden, isNotFound } from '../../cluster/client.ts';
import { pods, replicaSets } from '../../cluster/resources.ts';
import { errorMessage } from '../../model/errors.ts';
import { objectKey, type Pod, type ReplicaSet } from '../../model/objects.ts';
import { compileLabelSelector, matchesSelector } from '../../model/selectors.ts';
import { batchMs, createControllerEvents, createControllerQueue } from './controller.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { claim } from './claim.ts';
import { orphansOf } from './informers.ts';
import { controllerOf, controllerReference, uidOf } from './owner.ts';
import { isPodActive, readySinceMs } from './pod-state.ts';
import { createRecentWrites } from './recent-writes.ts';
import { podsToDelete, replicaSetStatus, type ReplicaSetFailure } from './replica-set-plan.ts';
import { slowStart } from './slow-start.ts';
import { writeStatus } from './status.ts';

const name = 'replicaset-controller';

/** Pods created or deleted before the ReplicaSet's status is written and the world looked at again. */
const burst = 500;

/** Keeps as many pods as each ReplicaSet asks for. */
export function createReplicaSetController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const events = createControllerEvents(context, name);
  const recent = createRecentWrites<Pod>(clock);
  const queue = createControllerQueue(context, name, sync);

  function podsOf(replicaSet: ReplicaSet): readonly Pod[] {
    return recent.correct(uidOf(replicaSet), informers.pods.byIndex('controller', uidOf(replicaSet)));
  }

  async function sync(key: string): Promise<void> {
    const replicaSet = informers.replicaSets.get(key);
    if (!replicaSet) return;
    const terminating = replicaSet.metadata?.deletionTimestamp !== undefined;
    const selector = compileLabelSelector(replicaSet.spec?.selector);
    const owned = await claim(context, {
      resource: pods,
      owner: replicaSet,
      ownerResource: replicaSets,
      owned: podsOf(replicaSet),
      orphans: informers.pods
        .byIndex('controller', orphansOf(replicaSet.metadata?.namespace))
        .filter(isPodActive),
      matches: (pod) => selector !== undefined && matchesSelector(selector, pod.metadata?.labels),
    });
    const active = owned.filter(isPodActive);
    const failure = terminating ? undefined : await scale(replicaSet, active);
    const now = failure || active.length !== (replicaSet.spec?.replicas ?? 1) ? podsOf(replicaSet) : active;
    await report(replicaSet, now.filter(isPodActive), failure);
    if (failure) throw failure.cause;
    if (!terminating && Math.abs(active.length - (replicaSet.spec?.replicas ?? 1)) > burst) queue.add(key);
  }

  async function scale(
    replicaSet: ReplicaSet,
    active: readonly Pod[],
  ): Promise<(ReplicaSetFailure & { cause: unknown }) | undefined> {
    const missing = (replicaSet.spec?.replicas ?? 1) - active.length;
    if (missing > 0) {
      const { error } = await slowStart(Math.min(missing, burst), () => createPod(replicaSet));
      if (error === undefined || isNamespaceTerminating(error)) return undefined;
      return { reason: 'FailedCreate', message: errorMessage(error), cause: error };
    }
    if (missing < 0) {
      const doomed = podsToDelete(active, Math.min(-missing, burst));
      const results = await Promise.allSettled(doomed.map((pod) => deletePod(replicaSet, pod)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed)
        return { reason: 'FailedDelete', message: errorMessage(failed.reason), cause: failed.reason };
    }
    return undefined;
  }

  async function createPod(replicaSet: ReplicaSet): Promise<void> {
    const { metadata, spec } = replicaSet;
    const { labels, annotations } = spec?.template?.metadata ?? {};
    const draft: Pod = {
      metadata: {
        generateName: `${metadata?.name ?? ''}-`,
        namespace: metadata?.namespace ?? '',
        ...(labels && { labels }),
        ...(annotations && { annotations }),
        ownerReferences: [controllerReference(replicaSets, replicaSet)],
      },
      ...(spec?.template?.spec && { spec: spec.template.spec }),
    };
    try {
      const pod = await client.create(pods, draft);
      recent.wrote(uidOf(replicaSet), pod);
      const message = `Created pod: ${pod.metadata?.name ?? ''}`;
      events.record(replicaSet, { type: 'Normal', reason: 'SuccessfulCreate', message });
    } catch (error) {
      const message = `Error creating: ${errorMessage(error)}`;
      if (!isNamespaceTerminating(error))
        events.record(replicaSet, { type: 'Warning', reason: 'FailedCreate', message });
      throw error;
    }
  }

  async function deletePod(replicaSet: ReplicaSet, pod: Pod): Promise<void> {
    const { namespace, name: podName = '', uid } = pod.metadata ?? {};
    try {
      await client.delete(pods, { namespace, name: podName }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) {
        const message = `Error deleting: ${errorMessage(error)}`;
        events.record(replicaSet, { type: 'Warning', reason: 'FailedDelete', message });
        throw error;
      }
    }
    recent.deleted(uidOf(replicaSet), pod);
    events.record(replicaSet, {
      type: 'Normal',
      reason: 'SuccessfulDelete',
      message: `Deleted pod: ${podName}`,
    });
  }

  async function report(
    replicaSet: ReplicaSet,
    active: readonly Pod[],
    failure: ReplicaSetFailure | undefined,
  ): Promise<void> {
    const nowMs = clock.now();
    const status = replicaSetStatus(replicaSet, active, { nowMs, failure });
    await writeStatus(client, replicaSets, { object: replicaSet, status });
    const minReadyMs = (replicaSet.spec?.minReadySeconds ?? 0) * 1000;
    if (minReadyMs === 0 || status.readyReplicas === status.availableReplicas) return;
    const due = active.map((pod) => (readySinceMs(pod) ?? Infinity) + minReadyMs).filter((ms) => ms > nowMs);
    queue.addAfter(objectKey(replicaSet), Math.min(...due) - nowMs);
  }

  function enqueueOwner(pod: Pod): void {
    const owner = controllerOf(pod);
    const namespace = pod.metadata?.namespace ?? '';
    if (owner?.kind === 'ReplicaSet') queue.addAfter(`${namespace}/${owner.name}`, batchMs);
    else if (!owner && isPodActive(pod))
      for (const replicaSet of informers.replicaSets.byIndex('namespace', namespace)) {
        const selector = compileLabelSelector(replicaSet.spec?.selector);
        if (selector && matchesSelector(selector, pod.metadata?.labels)) queue.add(objectKey(replicaSet));
      }
  }

  return {
    name,
    async run(signal) {
      informers.replicaSets.onChange(({ key }) => queue.add(key));
      informers.pods.onChange(({ object, previous }) => {
        enqueueOwner(object);
        if (previous && controllerOf(previous)?.uid !== controllerOf(object)?.uid) enqueueOwner(previous);
      });
      await queue.run(signal);
    },
  };
}

/** Nothing can be created in a namespace that is going away, and nothing needs to be said about it. */
function isNamespaceTerminating(error: unknown): boolean {
  return (
    isNotFound(error) ||
    (isForbidden(error) &&
      error instanceof ApiError &&
      (error.status.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating'))
  );
}
