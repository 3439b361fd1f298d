import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound, type Client } from '../../cluster/client.ts';
import { systemClock, type Clock } from '../../cluster/clock.ts';
import { createEventRecorder } from '../../cluster/events.ts';
import { createInformer, type Change } from '../../cluster/informer.ts';
import { namespaces, nodes, pods } from '../../cluster/resources.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import { errorMessage } from '../../model/errors.ts';
import { objectKey, type Pod, type PodCondition } from '../../model/objects.ts';
import { createClusterState } from './cluster-state.ts';
import { decide, type Decision } from './decide.ts';
import { readPod } from './pod-info.ts';

export interface SchedulerOptions {
  readonly client: Client;
  /** Pods that name another scheduler are left to it. */
  readonly schedulerName?: string;
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
  readonly clock?: Clock;
}

export interface Scheduler {
  run(signal: AbortSignal): Promise<void>;
}

/** Bindings under way at the same time. Decisions are made one after the other all the same. */
const concurrency = 32;
const firstRetryMs = 100;
const batchMs = 10;
const lastRetryMs = 10_000;

/** Finds a node for every pod that has none, and binds it. */
export function createScheduler({
  client,
  schedulerName = 'default-scheduler',
  log = () => {},
  clock = systemClock,
}: SchedulerOptions): Scheduler {
  const onError = (error: unknown): void => log('warning', `scheduler: ${errorMessage(error)}`);
  const podInformer = createInformer(client, pods, { onError });
  const nodeInformer = createInformer(client, nodes, { onError });
  const namespaceInformer = createInformer(client, namespaces, { onError });
  const events = createEventRecorder(client, { component: schedulerName, clock, onError });
  const state = createClusterState((name) => namespaceInformer.get(name)?.metadata?.labels);
  /** Pods that fit nowhere, and how often that was found. */
  const unschedulable = new Map<string, number>();
  const queue = createWorkQueue({
    process: schedule,
    concurrency,
    clock,
    onError: (key, error) => onError(new Error(`${key}: ${errorMessage(error)}`, { cause: error })),
  });

  const isOurs = ({ spec, status, metadata }: Pod): boolean =>
    !spec?.nodeName &&
    (spec?.schedulerName ?? 'default-scheduler') === schedulerName &&
    !metadata?.deletionTimestamp &&
    !spec?.schedulingGates?.length &&
    status?.phase !== 'Succeeded' &&
    status?.phase !== 'Failed';

  async function schedule(key: string): Promise<void> {
    const pod = podInformer.get(key);
    if (!pod || !isOurs(pod) || state.nodeOf(key) !== undefined) return;
    const { nodeName, message } = decideFor(pod);
    if (nodeName === undefined) return refuse(pod, message);
    // From here on the pod counts to the node, so the next decision sees it.
    state.place(state.read(pod), nodeName);
    try {
      await bind(pod, nodeName);
    } catch (error) {
      state.displace(key);
      if (!isNotFound(error) && !isConflict(error)) throw error;
      return;
    }
    unschedulable.delete(key);
    const text = `Successfully assigned ${key} to ${nodeName}`;
    events.record(pod, { type: 'Normal', reason: 'Scheduled', message: text });
  }

  function decideFor(pod: Pod): Decision {
    try {
      const info = readPod(pod, (name) => namespaceInformer.get(name)?.metadata?.labels);
      return decide(info, state.nodes);
    } catch (error) {
      return { message: `the pod cannot be scheduled as it is: ${errorMessage(error)}` };
    }
  }

  async function bind({ metadata }: Pod, nodeName: string): Promise<void> {
    const { namespace = '', name = '', uid = '' } = metadata ?? {};
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    await client.create(pods, binding, { name, subresource: 'binding' });
  }

  async function refuse(pod: Pod, message: string): Promise<void> {
    const key = objectKey(pod);
    unschedulable.set(key, (unschedulable.get(key) ?? 0) + 1);
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return;
    events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const condition: PodCondition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime:
        before?.status === 'False' && before.lastTransitionTime
          ? before.lastTransitionTime
          : new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    const { namespace, name = '', resourceVersion } = pod.metadata ?? {};
    try {
      await client.patch(
        pods,
        { namespace, name },
        {
          type: 'merge',
          subresource: 'status',
          body: { metadata: { resourceVersion }, status: { conditions: [...others, condition] } },
        },
      );
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  /** Pods come and go all the time: what they make room for is tried again, the longer it waits the later. */
  function retryUnschedulable(): void {
    for (const [key, attempts] of unschedulable)
      queue.addAfter(key, Math.min(lastRetryMs, firstRetryMs * 2 ** (attempts - 1)));
  }

  /** A node that is new or has changed is worth another try at once, with others that come with it. */
  function nodeChanged(): void {
    for (const key of unschedulable.keys()) {
      unschedulable.set(key, 0);
      queue.addAfter(key, batchMs);
    }
  }

  function podChanged({ type, key, object, previous }: Change<Pod>): void {
    const { nodeName } = object.spec ?? {};
    const phase = object.status?.phase;
    if (type === 'deleted' || phase === 'Succeeded' || phase === 'Failed') {
      unschedulable.delete(key);
      if (state.displace(key)) retryUnschedulable();
    } else if (nodeName) {
      const mayMatter =
        state.nodeOf(key) === undefined ||
        !isDeepStrictEqual(previous?.metadata?.labels, object.metadata?.labels);
      state.place(state.read(object), nodeName);
      unschedulable.delete(key);
      if (mayMatter) retryUnschedulable();
    } else if (!unschedulable.has(key) || wishesOf(object) !== wishesOf(previous)) queue.add(key);
  }

  return {
    async run(signal) {
      const informers = [nodeInformer, namespaceInformer, podInformer];
      const watching = informers.map((informer) => informer.run(signal));
      try {
        await Promise.all(informers.map(({ synced }) => synced));
      } catch {
        // aborted before the first lists were complete
      }
      if (!signal.aborted) {
        nodeInformer.onChange(({ type, key, object }) => {
          if (type === 'deleted') state.deleteNode(key);
          else if (state.setNode(object)) nodeChanged();
        });
        podInformer.onChange(podChanged);
        await queue.run(signal);
      }
      await Promise.all([...watching, events.flush()]);
    },
  };
}

/** What of a pod decides where it may go; its status, which the scheduler writes itself, does not. */
function wishesOf(pod: Pod | undefined): string {
  return JSON.stringify([pod?.spec, pod?.metadata?.labels]);
}
