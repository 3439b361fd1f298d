import type { Client } from '../cluster/client.ts';
import { endpointSlices, nodes, pods, services } from '../cluster/resources.ts';
import { isNodeReady } from '../model/conditions.ts';
import type { EndpointSlice, Node, Pod, Service } from '../model/objects.ts';
import { out, table } from './terminal.ts';

/** What there is to see of a cluster at a glance. Addresses are text as in the API. */
export interface ClusterSummary {
  readonly nodes: readonly { name: string; ready: boolean; address: string; podCidr: string; pods: number }[];
  readonly pods: readonly {
    namespace: string;
    name: string;
    ready: string;
    status: string;
    address: string;
    node: string;
  }[];
  readonly services: readonly {
    namespace: string;
    name: string;
    type: string;
    clusterIP: string;
    ports: string;
    readyEndpoints: number;
  }[];
}

/** `Running`, or the reason why not: what a container waits for, or died of. */
export function podStatus(pod: Pod): string {
  if (pod.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  const containers = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const { state } of containers) {
    const reason =
      state?.waiting?.reason ?? (state?.terminated?.exitCode ? state.terminated.reason : undefined);
    if (reason !== undefined && reason !== 'ContainerCreating') return reason;
  }
  return pod.status?.phase ?? 'Pending';
}

function summarizeNode(node: Node, podCount: number): ClusterSummary['nodes'][number] {
  return {
    name: node.metadata?.name ?? '',
    ready: isNodeReady(node),
    address: node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '',
    podCidr: node.spec?.podCIDR ?? '',
    pods: podCount,
  };
}

function summarizePod(pod: Pod): ClusterSummary['pods'][number] {
  const statuses = pod.status?.containerStatuses ?? [];
  return {
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    ready: `${statuses.filter(({ ready }) => ready).length}/${pod.spec?.containers.length ?? 0}`,
    status: podStatus(pod),
    address: pod.status?.podIP ?? '',
    node: pod.spec?.nodeName ?? '',
  };
}

function readyEndpoints(slices: readonly EndpointSlice[]): number {
  const ready = slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false),
  );
  return new Set(ready.flatMap(({ addresses }) => addresses)).size;
}

function summarizeService(
  service: Service,
  slices: readonly EndpointSlice[],
): ClusterSummary['services'][number] {
  const ports = service.spec?.ports ?? [];
  return {
    namespace: service.metadata?.namespace ?? '',
    name: service.metadata?.name ?? '',
    type: service.spec?.type ?? 'ClusterIP',
    clusterIP: service.spec?.clusterIP ?? '',
    ports: ports
      .map(({ port, protocol = 'TCP', nodePort }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`)
      .join(','),
    readyEndpoints: readyEndpoints(slices),
  };
}

export async function summarize(client: Client): Promise<ClusterSummary> {
  const [nodeList, podList, serviceList, sliceList] = await Promise.all([
    client.list(nodes),
    client.list(pods),
    client.list(services),
    client.list(endpointSlices),
  ]);
  const slices = Map.groupBy(
    sliceList.items,
    ({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.['kubernetes.io/service-name']}`,
  );
  const podsByNode = Map.groupBy(podList.items, ({ spec }) => spec?.nodeName ?? '');
  return {
    nodes: nodeList.items.map((node) =>
      summarizeNode(node, podsByNode.get(node.metadata?.name ?? '')?.length ?? 0),
    ),
    pods: podList.items.map(summarizePod),
    services: serviceList.items.map((service) =>
      summarizeService(service, slices.get(`${service.metadata?.namespace}/${service.metadata?.name}`) ?? []),
    ),
  };
}

const maxRows = 40;

/** Every node answers its pods' questions itself: there is no endpoint to send them to. */
function isClusterDns({ namespace, name }: { namespace: string; name: string }): boolean {
  return namespace === 'kube-system' && name === 'kube-dns';
}

function section(header: readonly string[], rows: readonly (readonly string[])[], noun: string): string {
  const shown = rows.slice(0, maxRows);
  const rest = rows.length - shown.length;
  const body = table([header.map((cell) => out.bold(cell)), ...shown]);
  return rest > 0 ? `${body}\n… and ${rest} more ${noun}` : body;
}

/** The tables at the end of `podnet up` and of `podnet status`. */
export function printSummary(summary: ClusterSummary): string {
  const ready = (text: string, good: boolean): string => (good ? out.green(text) : out.yellow(text));
  return [
    section(
      ['NODE', 'STATUS', 'ADDRESS', 'POD CIDR', 'PODS'],
      summary.nodes.map((node) => [
        node.name,
        ready(node.ready ? 'Ready' : 'NotReady', node.ready),
        node.address,
        node.podCidr,
        String(node.pods),
      ]),
      'nodes',
    ),
    section(
      ['NAMESPACE', 'POD', 'READY', 'STATUS', 'IP', 'NODE'],
      summary.pods.map((pod) => [
        pod.namespace,
        pod.name,
        ready(pod.ready, !pod.ready.startsWith('0/')),
        ready(pod.status, ['Running', 'Succeeded'].includes(pod.status)),
        pod.address,
        pod.node,
      ]),
      'pods',
    ),
    section(
      ['NAMESPACE', 'SERVICE', 'TYPE', 'CLUSTER-IP', 'PORT(S)', 'ENDPOINTS'],
      summary.services.map((service) => [
        service.namespace,
        service.name,
        service.type,
        service.clusterIP || '-',
        service.ports || '-',
        isClusterDns(service) ? 'each node' : String(service.readyEndpoints),
      ]),
      'Services',
    ),
  ].join('\n\n');
}
