import type { LinkMode } from '../cni/pod-network.ts';
import { compileService } from '../dns/zone/compile.ts';
import { createZone, type Zone } from '../dns/zone/zone.ts';
import { compile as compileRoutes } from '../fabric/compile.ts';
import type { RoutePlan } from '../fabric/plan.ts';
import { nodeAddresses, podAddresses } from '../model/addresses.ts';
import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { tryParseIp } from '../model/ip.ts';
import {
  type Deployment,
  type EndpointSlice,
  type Namespace,
  type Node,
  type Pod,
  type Service,
  objectKey,
} from '../model/objects.ts';
import { compile as compileServices } from '../services/compile.ts';
import { addressesOfOthers, nodeFactsOf } from '../services/node-facts.ts';
import type { ServicePlan } from '../services/plan.ts';

/** The objects a trace is made of, and the cluster's settings that no object says. */
export interface TraceObjects {
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly namespaces: readonly Namespace[];
  readonly deployments: readonly Deployment[];
  readonly clusterDomain: string;
  /** The addresses every node's DNS answers on, one of each IP family of the cluster. */
  readonly clusterDns: readonly string[];
  readonly clusterCidrs: readonly string[];
  /** CIDRs of the node addresses that serve node ports; each node's first ones unless told. */
  readonly nodePortAddresses?: readonly string[];
  /** Of the nodes' uplinks and the pods' links; 1500 unless told. */
  readonly mtuBytes?: number;
  /** Of a machine on the nodes' network that is no node; addresses of documentation unless told. */
  readonly worldAddresses?: readonly string[];
  /** The node that tells the world it has an address that is not its own; nobody does unless told. */
  readonly announcerOf?: (address: string) => Node | undefined;
  /** `routed` unless told. */
  readonly linkMode?: LinkMode;
  /** The node's interface towards a pod, where it is known: its end of the pod's link, or the bridge. */
  readonly hostInterface?: (pod: Pod) => string | undefined;
}

/** The objects with the plans every capability makes of them, each compiled when first needed. */
export interface TraceView extends TraceObjects {
  readonly mtuBytes: number;
  /** Of a machine beside the cluster. */
  readonly worldAddresses: readonly string[];
  /** What a node does for every Service. */
  servicePlan(nodeName: string): ServicePlan;
  readonly zone: Zone;
  routePlan(nodeName: string): RoutePlan;
  /** By address; not of pods on their node's own network. */
  podByAddress(address: string): Pod | undefined;
  nodeByAddress(address: string): Node | undefined;
  hostInterfaceOf(pod: Pod): string;
}

/** What a node's end of a pod's link is called as long as nobody can tell its name. */
export const UNKNOWN_HOST_INTERFACE = 'veth of the pod';

export function createTraceView(objects: TraceObjects): TraceView {
  const pods = new Map<string, Pod>();
  for (const pod of objects.pods) {
    const { phase } = pod.status ?? {};
    if (pod.spec?.hostNetwork === true || phase === 'Succeeded' || phase === 'Failed') continue;
    for (const address of podAddresses(pod)) pods.set(address, pod);
  }
  const nodes = new Map(
    objects.nodes.flatMap((node) => nodeAddresses(node).map((address) => [address, node])),
  );
  const routePlans = new Map<string, RoutePlan>();
  const servicePlans = new Map<string, ServicePlan>();
  let zone: Zone | undefined;
  return {
    ...objects,
    mtuBytes: objects.mtuBytes ?? 1500,
    worldAddresses: objects.worldAddresses ?? ['198.51.100.1', '2001:db8::1'],
    servicePlan(nodeName) {
      let plan = servicePlans.get(nodeName);
      if (plan === undefined) {
        const node = objects.nodes.find(({ metadata }) => metadata?.name === nodeName);
        plan = compileServices(objects.services, objects.endpointSlices, {
          localAddresses: objects.clusterDns,
          ...(node && {
            node: {
              ...nodeFactsOf(node, objects.nodePortAddresses),
              otherNodes: addressesOfOthers(objects.nodes, nodeName),
            },
          }),
        });
        servicePlans.set(nodeName, plan);
      }
      return plan;
    },
    get zone() {
      return (zone ??= compileZone(objects));
    },
    routePlan(nodeName) {
      let plan = routePlans.get(nodeName);
      if (plan === undefined) {
        plan = compileRoutes(objects.nodes, { nodeName, clusterCidrs: objects.clusterCidrs });
        routePlans.set(nodeName, plan);
      }
      return plan;
    },
    podByAddress: (address) => pods.get(address),
    nodeByAddress: (address) => nodes.get(address),
    hostInterfaceOf: (pod) => objects.hostInterface?.(pod) ?? UNKNOWN_HOST_INTERFACE,
  };
}

function compileZone({
  services,
  endpointSlices,
  namespaces,
  clusterDomain,
  clusterDns,
}: TraceObjects): Zone {
  const options = { clusterDomain, addresses: clusterDns };
  const zone = createZone(options, 0);
  const slicesOf = Map.groupBy(endpointSlices, serviceKeyOf);
  for (const service of services) {
    const key = objectKey(service);
    zone.set(`Service ${key}`, compileService(service, slicesOf.get(key) ?? [], options));
  }
  for (const { metadata } of namespaces) {
    zone.set(`Namespace ${metadata?.name}`, { records: [] }, [`${metadata?.name}.svc.${clusterDomain}`]);
  }
  return zone;
}

/** The first of the addresses that has the same IP family as `other`. */
export function sameFamily(addresses: readonly string[], other: string): string | undefined {
  const family = tryParseIp(other)?.family;
  return addresses.find((address) => tryParseIp(address)?.family === family);
}
