/** Where a hop happens and which object and field decides it, in a trace's words. */
import type { Reason } from '../fabric/plan.ts';
import type { Node, Pod } from '../model/objects.ts';
import { hostPort, type PlannedEndpoint, type PlannedPort } from '../services/plan.ts';
import type { Decision, Place } from './trace.ts';
import type { TraceView } from './view.ts';

export function nameOf({ metadata }: Node): string {
  return metadata?.name ?? '';
}

export function podName({ metadata }: Pod): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

export function podPlace({ metadata }: Pod): Place {
  return { kind: 'pod', namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}

export function nodePlace(node: Node): Place {
  return { kind: 'node', name: nameOf(node) };
}

export function podDecision(pod: Pod, address: string): Decision {
  const index = (pod.status?.podIPs ?? []).findIndex(({ ip }) => ip === address);
  const field = index < 0 ? 'status.podIP' : `status.podIPs[${index}].ip`;
  return {
    kind: 'Pod',
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    field,
    value: address,
  };
}

/** Whose network the pod's processes are on, and so whose loopback is theirs. */
export function networkDecision({ metadata, spec }: Pod): Decision {
  return {
    kind: 'Pod',
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    field: 'spec.hostNetwork',
    value: String(spec?.hostNetwork === true),
  };
}

export function nodeAddressDecision(node: Node, address: string): Decision {
  const index = (node.status?.addresses ?? []).findIndex((each) => each.address === address);
  return {
    kind: 'Node',
    namespace: '',
    name: nameOf(node),
    field: `status.addresses[${Math.max(index, 0)}].address`,
    value: address,
  };
}

export function clusterDnsDecision({ clusterDns }: TraceView): Decision {
  return { kind: 'Cluster', namespace: '', name: '', field: 'clusterDNS', value: clusterDns.join(', ') };
}

/** What is in none of these prefixes is outside. */
export function outsideDecision({ clusterCidrs }: TraceView): Decision {
  return { kind: 'Cluster', namespace: '', name: '', field: 'clusterCIDR', value: clusterCidrs.join(', ') };
}

export function serviceDecision({ service, field, port, protocol }: PlannedPort): Decision {
  const [namespace = '', name = ''] = service.split('/');
  return { kind: 'Service', namespace, name, field, value: `${port}/${protocol}` };
}

export function endpointDecision({ address, port, source }: PlannedEndpoint): Decision {
  const [namespace = '', name = ''] = source.slice.split('/');
  return { kind: 'EndpointSlice', namespace, name, field: source.field, value: hostPort(address, port) };
}

/** The fabric names nodes as `node NAME`, and `cluster` for the cluster's own settings. */
export function reasonDecision({ nodes }: TraceView, { object, field }: Reason, value: string): Decision {
  const name = object.replace(/^node /, '');
  const isNode = nodes.some((node) => nameOf(node) === name);
  return { kind: isNode ? 'Node' : 'Cluster', namespace: '', name: isNode ? name : '', field, value };
}
