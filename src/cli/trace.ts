import { readClusterConfig } from '../agent/config.ts';
import type { Client } from '../cluster/client.ts';
import { deployments, endpointSlices, namespaces, nodes, pods, services } from '../cluster/resources.ts';
import { BRIDGE } from '../cni/bridge-link-plan.ts';
import { hostInterfaceName } from '../cni/pod-link-plan.ts';
import { sandboxId } from '../lab/kubelet/sandbox.ts';
import { compare } from '../trace/compare.ts';
import { printTrace } from '../trace/print.ts';
import type { Protocol, Trace } from '../trace/trace.ts';
import { createTraceView, type TraceView } from '../trace/view.ts';
import { tracePacket } from '../trace/walk.ts';
import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import { out, printResult } from './terminal.ts';

export interface TraceOptions {
  readonly source: string;
  readonly destination: string;
  readonly name: string;
  readonly namespace: string;
  readonly protocol: Protocol;
  readonly explain?: boolean;
  readonly observe?: boolean;
  readonly output?: 'json' | 'yaml';
}

const style = { strong: out.bold, faint: out.dim, good: out.green, bad: out.red };

/** The objects of a cluster, as traces and explanations of Services need them. */
export async function loadView(
  client: Client,
  { worldAddresses }: { worldAddresses?: readonly string[] } = {},
): Promise<TraceView> {
  const [config, ...lists] = await Promise.all([
    readClusterConfig(client),
    client.list(pods),
    client.list(services),
    client.list(endpointSlices),
    client.list(nodes),
    client.list(namespaces),
    client.list(deployments),
  ]);
  const [podList, serviceList, sliceList, nodeList, namespaceList, deploymentList] = lists;
  return createTraceView({
    pods: podList.items,
    services: serviceList.items,
    endpointSlices: sliceList.items,
    nodes: nodeList.items,
    namespaces: namespaceList.items,
    deployments: deploymentList.items,
    clusterDomain: config.clusterDomain,
    clusterDns: config.clusterDns,
    clusterCidrs: config.clusterCidrs,
    ...(config.services?.nodePortAddresses && { nodePortAddresses: config.services.nodePortAddresses }),
    ...(worldAddresses && { worldAddresses }),
    linkMode: config.linkMode,
    hostInterface: ({ metadata }) =>
      config.linkMode === 'bridge' ? BRIDGE : hostInterfaceName(sandboxId(metadata?.uid ?? '')),
  });
}

const arrives = ({ outcome }: Trace): boolean => outcome !== 'rejected' && outcome !== 'dropped';

/** `podnet trace`. Resolves with the exit code: 1 when the packet does not arrive, or not as predicted. */
export async function trace({
  name,
  output,
  observe = false,
  explain = false,
  ...request
}: TraceOptions): Promise<number> {
  return withCluster(name, async ({ client, control, info }) => {
    const world = info.namespaces.find(({ kind }) => kind === 'world');
    const view = await loadView(client, world && { worldAddresses: world.addresses });
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
    const predicted = tracePacket(view, request);
    if (!observe) {
      if (!printData(predicted, output))
        printResult(printTrace(predicted, { style, explain, columns }).trimEnd());
      return arrives(predicted) ? 0 : 1;
    }
    const observation = await control.call('observe', { trace: predicted });
    const { endpoint } = observation;
    const followed = endpoint === undefined ? predicted : tracePacket(view, { ...request, endpoint });
    const comparison = compare(followed, observation);
    if (!printData({ predicted: followed, observation, comparison }, output)) {
      printResult(printTrace(followed, { style, explain, comparison, columns }).trimEnd());
    }
    return comparison.agrees && arrives(followed) ? 0 : 1;
  });
}
