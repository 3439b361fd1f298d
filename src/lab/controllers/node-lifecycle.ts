import type { NodeCondition, Taint } from 'kubernetes-types/core/v1.d.ts';
import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../../cluster/client.ts';
import { nodes, pods } from '../../cluster/resources.ts';
import type { Node, Pod } from '../../model/objects.ts';
import { createControllerEvents, createControllerQueue } from './controller.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { isPodReady } from './pod-state.ts';

const name = 'node-controller';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

export interface NodeLifecycleOptions {
  /** A node whose lease and status did not change for this long is taken for dead. */
  readonly graceMs?: number;
  readonly periodMs?: number;
}

type Readiness = 'True' | 'False' | 'Unknown';

export function readinessOf({ status }: Node): Readiness | undefined {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return ready === 'True' || ready === 'False' || ready === 'Unknown' ? ready : undefined;
}

/** The taints a node of this readiness must have, its other taints kept. One that has yet to say gets none. */
export function taintsFor(node: Node): readonly Taint[] {
  if (readinessOf(node) === undefined) return node.spec?.taints ?? [];
  const others = (node.spec?.taints ?? []).filter(
    ({ key }) => key !== notReadyTaint && key !== unreachableTaint,
  );
  const readiness = readinessOf(node);
  if (readiness === 'True') return others;
  const key = readiness === 'Unknown' ? unreachableTaint : notReadyTaint;
  return [...others, { key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' }];
}

/** The conditions of a node that has fallen silent: nothing about it is known any more. */
export function silentConditions(conditions: readonly NodeCondition[], now: string): NodeCondition[] {
  const unknown = (before: NodeCondition): NodeCondition =>
    before.status === 'Unknown'
      ? before
      : {
          ...before,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        };
  const hasReady = conditions.some(({ type }) => type === 'Ready');
  const all = hasReady ? conditions : [...conditions, { type: 'Ready', status: '' }];
  return all.map(unknown);
}

/** Watches for nodes that fall silent, taints nodes that are not ready and takes their pods out of Services. */
export function createNodeLifecycleController(
  context: ControllerContext,
  { graceMs = 4000, periodMs = 500 }: NodeLifecycleOptions = {},
): Controller {
  const { client, informers, clock } = context;
  const events = createControllerEvents(context, name);
  const queue = createControllerQueue(context, name, sync);
  /** When each node was last heard of, by this process's own clock. */
  const heard = new Map<string, { sign: string; atMs: number }>();
  let cancel: (() => void) | undefined;

  const now = (): string => new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');

  function listen(key: string): void {
    const node = informers.nodes.get(key);
    if (!node) return void heard.delete(key);
    const beats = (node.status?.conditions ?? []).map(({ lastHeartbeatTime }) => lastHeartbeatTime ?? '');
    const renewed = informers.leases.get(`kube-node-lease/${key}`)?.spec?.renewTime ?? '';
    const sign = [renewed, ...beats].join();
    if (heard.get(key)?.sign !== sign) heard.set(key, { sign, atMs: clock.now() });
  }

  async function sync(key: string): Promise<void> {
    let node = informers.nodes.get(key);
    if (!node || node.metadata?.deletionTimestamp) return;
    const silentMs = clock.now() - (heard.get(key)?.atMs ?? clock.now());
    if (silentMs > graceMs && readinessOf(node) !== 'Unknown') node = await declareSilent(node);
    const taints = taintsFor(node);
    if (!isDeepStrictEqual(taints, node.spec?.taints ?? [])) {
      const body = { metadata: { resourceVersion: node.metadata?.resourceVersion }, spec: { taints } };
      await client.patch(nodes, { name: key }, { type: 'merge', body });
    }
    if (readinessOf(node) === 'False' || readinessOf(node) === 'Unknown')
      await Promise.all(informers.pods.byIndex('node', key).map(markNotReady));
  }

  async function declareSilent(node: Node): Promise<Node> {
    const conditions = silentConditions(node.status?.conditions ?? [], now());
    const written = await client.updateStatus(nodes, { ...node, status: { ...node.status, conditions } });
    const message = `Node ${node.metadata?.name} status is now: NodeNotReady`;
    events.record(node, { type: 'Normal', reason: 'NodeNotReady', message });
    return written;
  }

  async function markNotReady(pod: Pod): Promise<void> {
    if (!isPodReady(pod)) return;
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === 'Ready'
        ? { ...condition, status: 'False', reason: 'NodeNotReady', lastTransitionTime: now() }
        : condition,
    );
    const { namespace, name: podName = '', resourceVersion } = pod.metadata ?? {};
    try {
      await client.patch(
        pods,
        { namespace, name: podName },
        {
          type: 'merge',
          subresource: 'status',
          body: { metadata: { resourceVersion }, status: { conditions } },
        },
      );
    } catch (error) {
      if (isConflict(error)) queue.addAfter(pod.spec?.nodeName ?? '', 50);
      else if (!isNotFound(error)) throw error;
    }
  }

  /** Time in which this process itself did not run says nothing about the nodes. */
  function tick(expectedMs: number): void {
    const lateMs = clock.now() - expectedMs;
    if (lateMs > periodMs) for (const state of heard.values()) state.atMs += lateMs;
    for (const [key, { atMs }] of heard) if (clock.now() - atMs > graceMs) queue.add(key);
    schedule();
  }

  function schedule(): void {
    const expectedMs = clock.now() + periodMs;
    cancel = clock.after(periodMs, () => tick(expectedMs));
  }

  return {
    name,
    async run(signal) {
      informers.nodes.onChange(({ key }) => {
        listen(key);
        queue.add(key);
      });
      informers.leases.onChange(({ object }) => listen(object.metadata?.name ?? ''));
      schedule();
      await queue.run(signal);
      cancel?.();
    },
  };
}
