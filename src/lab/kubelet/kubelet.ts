import { mkdirSync } from 'node:fs';
import type { Client } from '../../cluster/client.ts';
import { systemClock, type Clock } from '../../cluster/clock.ts';
import { createEventRecorder } from '../../cluster/events.ts';
import { createInformer } from '../../cluster/informer.ts';
import { pods } from '../../cluster/resources.ts';
import type { PodNetwork } from '../../cni/pod-network.ts';
import type { Netns } from '../../kernel/netns.ts';
import type { Pod } from '../../model/objects.ts';
import { createIsolation, type Isolation } from '../workloads/isolate/isolation.ts';
import { createStandInServer } from '../workloads/standin/stand-in-server.ts';
import { createMountedObjects } from './mounted-objects.ts';
import { readMachine } from './node-object.ts';
import { createNodeRegistration } from './node-registration.ts';
import { createNodeStatusKeeper } from './node-status.ts';
import { createObjectReader } from './object-reader.ts';
import type { PodContext } from './pod-context.ts';
import { createPodFiles } from './pod-files.ts';
import { PodWorker } from './pod-worker.ts';
import { createKubeletServer } from './server/server.ts';
import { createStatusWriter } from './status-writer.ts';

export interface KubeletOptions {
  readonly client: Client;
  readonly nodeName: string;
  /** The node's own addresses, IPv4 first: `InternalIP` of the Node, `hostIP` of its pods. */
  readonly nodeAddresses: readonly string[];
  /** The node's network namespace. The calling thread lives in it: probes leave from there. */
  readonly netns: Netns;
  readonly podNetwork: PodNetwork;
  /** `/run/podnet`, on a tmpfs of the lab's own. The kubelet keeps to `nodes/<nodeName>` below it. */
  readonly runtimeDirectory: string;
  /** Addresses of the cluster DNS. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** The text of the node's own resolv.conf; empty when it has none. */
  readonly nodeResolvConf?: string;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** `status.capacity.pods` */
  readonly maxPods?: number;
  /** `status.nodeInfo.kubeletVersion` */
  readonly version?: string;
  readonly clock?: Clock;
  /** Told of what went wrong and is not said by an Event; the kubelet goes on. */
  readonly onError?: (error: unknown) => void;
}

export interface Kubelet {
  /** `${runtimeDirectory}/nodes/${nodeName}/kubelet.sock`: logs, exec, attach, port forwarding. */
  readonly socketPath: string;
  /** Resolves when the Node is registered, the pods are known and the socket listens. */
  readonly ready: Promise<void>;
  /** Runs until the signal aborts; then kills every workload and gives back every pod's network. */
  run(signal: AbortSignal): Promise<void>;
}

/** One node's kubelet. Nothing is inherited from an earlier one: its namespaces and programs died with it. */
export function createKubelet(options: KubeletOptions): Kubelet {
  const { client, nodeName, nodeAddresses, netns, podNetwork, runtimeDirectory } = options;
  const {
    clock = systemClock,
    onError = () => {},
    nodeLabels = {},
    maxPods = 2000,
    version = DEFAULT_VERSION,
  } = options;
  const nodeDirectory = `${runtimeDirectory}/nodes/${nodeName}`;
  const socketPath = `${nodeDirectory}/kubelet.sock`;
  const workers = new Map<string, PodWorker>();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {}); // run() tells it too
  const recorder = createEventRecorder(client, { component: 'kubelet', host: nodeName, onError, clock });
  const statusWriter = createStatusWriter(client, { clock, onError });
  const standIns = createStandInServer();
  const objects = createObjectReader(client, clock);
  const mountedObjects = createMountedObjects({
    client,
    clock,
    onError,
    onChange: (plural, namespace, name) => objects.forget(plural, namespace, name),
  });
  let isolation: Isolation | undefined;
  const context: PodContext = {
    client,
    nodeName,
    nodeAddresses,
    nodeNetns: netns,
    podNetwork,
    nodeDirectory,
    clock,
    standIns,
    objects,
    mountedObjects,
    statusWriter,
    onError,
    isolation: () => (isolation ??= createIsolation(`${nodeDirectory}/isolation`)),
    files: createPodFiles({
      ...options,
      nodeResolvConf: options.nodeResolvConf ?? '',
      objects,
      nodeDirectory,
    }),
    record: (pod, event) => recorder.record(pod, event),
  };
  const facts = { nodeName, nodeAddresses, labels: nodeLabels, maxPods, version, machine: readMachine() };
  const nodeStatus = createNodeStatusKeeper(client, facts, { clock, onError });
  const registration = createNodeRegistration(client, facts, { status: nodeStatus, clock, onError });
  const ownPods = { fieldSelector: `spec.nodeName=${nodeName}`, omitManagedFields: true } as const;
  const informer = createInformer(client, pods, { ...ownPods, maxDelayMs: RETRY_MS, onError, clock });
  const server = createKubeletServer({
    find: (namespace, name) => findWorker(namespace, name),
    list: () => informer.list(),
    clock,
    onError,
  });

  function findWorker(namespace: string, name: string): PodWorker | undefined {
    return workers.get(informer.get(`${namespace}/${name}`)?.metadata?.uid ?? '');
  }

  function onPod(pod: Pod): void {
    const uid = pod.metadata?.uid;
    if (uid === undefined) return;
    const worker = workers.get(uid);
    if (worker) worker.update(pod);
    else workers.set(uid, new PodWorker(context, pod, () => workers.delete(uid)));
    statusWriter.observe(pod);
  }

  /** The node may have been taken for dead, and what tells of it may still be held up: says anew that all is well. */
  async function speakAgain(): Promise<void> {
    try {
      await nodeStatus.check();
      for (const pod of (await client.list(pods, ownPods)).items) statusWriter.observe(pod);
    } catch (error) {
      onError(error);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    // Status writes and events go on while the pods are taken down.
    const afterwards = new AbortController();
    try {
      mkdirSync(nodeDirectory, { recursive: true, mode: 0o700 });
      await Promise.all([server.listen(socketPath), registration.register(signal)]);
      const writing = statusWriter.run(afterwards.signal);
      informer.onChange((change) => {
        if (signal.aborted) return;
        if (change.type !== 'deleted') {
          if (change.type === 'updated' && change.previous.metadata?.uid !== change.object.metadata?.uid)
            void workers.get(change.previous.metadata?.uid ?? '')?.remove();
          onPod(change.object);
        } else void workers.get(change.object.metadata?.uid ?? '')?.remove();
      });
      const running = [
        informer.run(signal),
        nodeStatus.run(signal),
        mountedObjects.run(signal),
        registration.heartbeat(signal, () => void speakAgain()),
      ];
      informer.synced.then(ready.resolve, ready.reject);
      await Promise.all(running);
      await Promise.all([...workers.values()].map((worker) => worker.remove()));
      afterwards.abort();
      await writing;
    } catch (error) {
      ready.reject(error);
      throw error;
    } finally {
      afterwards.abort();
      server.close();
      standIns.close();
    }
  }

  return { socketPath, ready: ready.promise, run };
}

/** The longest wait before pods are watched again after the API server was away. */
const RETRY_MS = 1000;
const DEFAULT_VERSION = 'v1.34.0';
