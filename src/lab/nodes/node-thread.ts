/**
 * A simulated node: a thread that lives in the node's network namespace, with the agent every real node runs and a
 * small kubelet. It knows its API server by a kubeconfig, like any node.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { createAgent, type Agent } from '../../agent/agent.ts';
import { Client } from '../../cluster/client.ts';
import { createHttpsTransport } from '../../cluster/https-transport.ts';
import { loadKubeconfig } from '../../cluster/kubeconfig.ts';
import type { PodNetwork } from '../../cni/pod-network.ts';
import type { DnsLogPage, DnsTop } from '../../dns/observe/look.ts';
import { enterNetns, openNetns, type Netns } from '../../kernel/netns.ts';
import { createKubelet } from '../kubelet/kubelet.ts';
import { errorText } from '../log.ts';
import type { LabOptions } from '../options.ts';
import type { DnsLookQuestion, NodeCommand, NodeMessage, NodeThreadData } from './protocol.ts';

const data = workerData as NodeThreadData;
const port = parentPort;
if (port === null) throw new Error('node-thread.ts runs as a worker thread only');

const post = (message: NodeMessage): void => port.postMessage(message);
const log = (level: 'info' | 'warning' | 'error', message: string): void =>
  post({ type: 'log', level, message: `${data.name}: ${message}` });

const netns = openNetns(`/proc/self/fd/${data.netnsFd}`);
enterNetns(netns);

const stopping = new AbortController();
let started = false;
let agent: Agent | undefined;
/** Of the pods that are on the network now, by uid: where an observed packet starts and ends. */
const podNetns = new Map<string, Netns>();

/** The agent's pod network, with the namespaces it serves remembered. */
function remembering(network: PodNetwork): PodNetwork {
  const uids = new Map<string, string>();
  return {
    async add(sandbox) {
      const attachment = await network.add(sandbox);
      uids.set(sandbox.containerId, sandbox.uid);
      podNetns.set(sandbox.uid, sandbox.netns);
      return attachment;
    },
    async del(sandbox) {
      podNetns.delete(uids.get(sandbox.containerId) ?? '');
      uids.delete(sandbox.containerId);
      await network.del(sandbox);
    },
  };
}

/** The first two addresses and the last of a node's IPv4 CIDR are no pod's; an IPv6 one has more than enough. */
function maxPods({ ipFamilies, nodeCidrPrefixLengths }: LabOptions): number {
  const prefixLength = nodeCidrPrefixLengths[ipFamilies.indexOf(4)] ?? 22;
  return 2 ** (32 - prefixLength) - 3;
}

/** Three zones, taken in turn; `kubectl label` can say otherwise. */
function zoneOf(nodeName: string): string {
  const zones = ['zone-a', 'zone-b', 'zone-c'] as const;
  return zones[(Number(/\d+$/.exec(nodeName)?.[0] ?? 1) - 1) % zones.length] ?? zones[0];
}

async function run(): Promise<void> {
  const transport = createHttpsTransport(loadKubeconfig(data.kubeconfig));
  const client = new Client(transport);
  const own = createAgent({
    kubeconfig: data.kubeconfig,
    nodeName: data.name,
    netns,
    stateDirectory: `${data.runtimeDirectory}/nodes/${data.name}`,
    log,
  });
  agent = own;
  const kubelet = createKubelet({
    client,
    nodeName: data.name,
    nodeAddresses: data.addresses,
    nodeLabels: { 'topology.kubernetes.io/zone': zoneOf(data.name) },
    netns,
    podNetwork: remembering(own.podNetwork),
    runtimeDirectory: data.runtimeDirectory,
    clusterDns: data.options.clusterDns,
    clusterDomain: data.options.clusterDomain,
    maxPods: maxPods(data.options),
    onError: (error) => log('error', `kubelet: ${errorText(error)}`),
  });
  try {
    await Promise.all([own.run(stopping.signal), kubelet.run(stopping.signal)]);
  } finally {
    transport.close();
  }
}

async function start(): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!stopping.signal.aborted) log('error', errorText(error));
  }
  post({ type: 'stopped' });
}

function lookAtDns(question: DnsLookQuestion): DnsTop | DnsLogPage | undefined {
  const look = agent?.dnsLook;
  return question.of === 'top' ? look?.top(question.limit) : look?.log(question.from);
}

port.on('message', (command: NodeCommand) => {
  switch (command.type) {
    case 'start':
      started = true;
      void start();
      return;
    case 'stop':
      stopping.abort();
      if (!started) post({ type: 'stopped' });
      return;
    case 'podNetns':
      post({ type: 'podNetns', id: command.id, fd: podNetns.get(command.podUid)?.fd });
      return;
    case 'dns':
      post({ type: 'dns', id: command.id, answer: lookAtDns(command.question) });
  }
});
