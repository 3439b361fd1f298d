import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { deployments, nodes, pods } from '../cluster/resources.ts';
import { objectKey, type Deployment, type Node, type Pod } from '../model/objects.ts';
import { isNodeReady, isPodReady } from '../model/conditions.ts';
import { podStatus } from './summary.ts';

/** How far a cluster is from being all ready. */
export interface Readiness {
  readonly nodesReady: number;
  readonly nodes: number;
  readonly podsReady: number;
  /** Those that exist, and those that a Deployment will still make. */
  readonly pods: number;
  /** A line for each that is not ready: its name and what it waits for. */
  readonly waiting: readonly string[];
  readonly done: boolean;
}

/** Why a pod is not ready, in a few words. */
export function whyNotReady(pod: Pod): string {
  const status = podStatus(pod);
  if (pod.spec?.nodeName === undefined) {
    const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    return scheduled?.message ?? 'waits for a node';
  }
  if (status !== 'Running') {
    const init = pod.status?.initContainerStatuses?.find(({ ready, state }) => !ready && state?.running);
    return init === undefined ? status : `init container ${init.name} is running`;
  }
  const notReady = pod.status?.containerStatuses?.find(({ ready }) => !ready);
  const probe = pod.spec.containers.find(({ name }) => name === notReady?.name)?.readinessProbe;
  if (notReady === undefined) return 'readiness gates';
  const delay = probe?.initialDelaySeconds ? ` (initialDelaySeconds: ${probe.initialDelaySeconds})` : '';
  return probe === undefined
    ? `container ${notReady.name} is starting`
    : `readinessProbe of ${notReady.name}${delay}`;
}

/** Pods that a Deployment has not made yet. */
function missingPods({ spec, status, metadata }: Deployment): number {
  const wanted = spec?.replicas ?? 1;
  const current = status?.observedGeneration === metadata?.generation ? (status?.updatedReplicas ?? 0) : 0;
  return Math.max(0, wanted - current);
}

export function readiness(
  state: { nodes: readonly Node[]; pods: readonly Pod[]; deployments: readonly Deployment[] },
  expectedNodes: number,
): Readiness {
  const wanted = state.pods.filter(
    ({ status, metadata }) =>
      metadata?.deletionTimestamp === undefined &&
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed',
  );
  const missing = state.deployments.reduce((sum, deployment) => sum + missingPods(deployment), 0);
  const notReady = wanted.filter((pod) => !isPodReady(pod));
  const nodesReady = state.nodes.filter(isNodeReady).length;
  return {
    nodesReady,
    nodes: expectedNodes,
    podsReady: wanted.length - notReady.length,
    pods: wanted.length + missing,
    waiting: notReady.map((pod) => `${objectKey(pod)}: ${whyNotReady(pod)}`),
    done: nodesReady >= expectedNodes && missing === 0 && notReady.length === 0,
  };
}

/** Reports every change of the cluster's readiness until it is all there; resolves with whether it is. */
export async function waitUntilReady(
  client: Client,
  expectedNodes: number,
  { report, signal }: { report: (state: Readiness) => void; signal: AbortSignal },
): Promise<boolean> {
  const stop = new AbortController();
  const ending = AbortSignal.any([stop.signal, signal]);
  const watched = {
    nodes: createInformer(client, nodes),
    pods: createInformer(client, pods),
    deployments: createInformer(client, deployments),
  };
  const all: readonly Informer<Node | Pod | Deployment>[] = Object.values(watched);
  const running = all.map((informer) => informer.run(ending));
  try {
    await Promise.all(all.map(({ synced }) => synced));
    await new Promise<void>((done, fail) => {
      const look = (): void => {
        const state = readiness(
          {
            nodes: watched.nodes.list(),
            pods: watched.pods.list(),
            deployments: watched.deployments.list(),
          },
          expectedNodes,
        );
        report(state);
        if (state.done) done();
      };
      for (const informer of all) informer.onChange(look);
      ending.addEventListener('abort', () => fail(ending.reason as Error), { once: true });
      look();
    });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
