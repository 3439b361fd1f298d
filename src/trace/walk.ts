import { GATEWAYS } from '../cni/pod-link-plan.ts';
import { isMasqueraded, type PlannedRoute, printRoute, routeFor } from '../fabric/plan.ts';
import { PodnetError } from '../model/errors.ts';
import { tryParseIp } from '../model/ip.ts';
import type { Node, Pod } from '../model/objects.ts';
import { hostPort, type PlannedEndpoint, type PlannedPort } from '../services/plan.ts';
import {
  clusterDnsDecision,
  endpointDecision,
  nameOf,
  networkDecision,
  nodeAddressDecision,
  nodePlace,
  outsideDecision,
  podDecision,
  podName,
  podPlace,
  reasonDecision,
  serviceDecision,
} from './decisions.ts';
import { type Aim, takeAim } from './destination.ts';
import { resolveSource, type TraceRequest } from './request.ts';
import type { Decision, Hop, HopPacket, Place, Trace, TraceEndpoint } from './trace.ts';
import { nodeAddresses, podAddresses } from '../model/addresses.ts';
import { sameFamily, type TraceView } from './view.ts';

/**
 * Predicts the way of a packet from a pod: what the plans of every node on the way do with it, and which object and
 * field decides each step. Touches no kernel. Throws `PodnetError` when the request makes no sense of the objects.
 */
export function tracePacket(view: TraceView, request: TraceRequest): Trace {
  const namespace = request.namespace ?? 'default';
  const protocol = request.protocol ?? 'tcp';
  const pod = resolveSource(view, request.source, namespace);
  const node = nodeOf(view, pod);
  const aim = takeAim(view, request.destination, {
    source: pod,
    sourceAddresses: podAddresses(pod),
    namespace,
    protocol,
  });
  const walk = new Walk(view, { pod, node, aim });
  const endpoints = endpointsOf(aim.service);
  const followed = chooseEndpoint(aim.service, request.endpoint);
  const outcome = walk.run(followed);
  return {
    source: { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '', node: nameOf(node) },
    destination: request.destination,
    protocol,
    hops: walk.hops,
    endpoints: endpoints.map((endpoint) =>
      Object.assign(endpoint, {
        followed: endpoint.address === followed?.address && endpoint.port === followed.port,
      }),
    ),
    aim: { address: aim.address, port: aim.port },
    outcome,
    sourceKept: outcome !== 'rejected' && walk.hops.every(({ action }) => action !== 'masquerade'),
  };
}

/** Every node a packet passes is asked the same questions in the kernel's order: Service, route, masquerade. */
class Walk {
  readonly hops: Hop[] = [];
  readonly #view: TraceView;
  readonly #pod: Pod;
  readonly #node: Node;
  readonly #aim: Aim;
  #packet: HopPacket;

  constructor(view: TraceView, { pod, node, aim }: { pod: Pod; node: Node; aim: Aim }) {
    this.#view = view;
    this.#pod = pod;
    this.#node = node;
    this.#aim = aim;
    const source = sameFamily(podAddresses(pod), aim.address) ?? podAddresses(pod)[0] ?? '';
    this.#packet = { source, destination: aim.address, destinationPort: aim.port };
  }

  run(endpoint: PlannedEndpoint | undefined): Trace['outcome'] {
    const { nameHop, service } = this.#aim;
    if (nameHop !== undefined) this.hops.push(nameHop);
    let input: string | undefined;
    if (service === undefined && this.#staysInside()) return this.#deliverInside();
    if (this.#pod.spec?.hostNetwork !== true) {
      this.#leavePod();
      input = this.#view.hostInterfaceOf(this.#pod);
    }
    if (service !== undefined && !this.#passService(service, endpoint, input)) return 'rejected';
    return this.#routeFromSourceNode(input);
  }

  /** Whether the pod's own kernel has the address: one of the pod's, or the loopback's. */
  #staysInside(): boolean {
    const { destination } = this.#packet;
    return (
      isLoopback(destination) ||
      (this.#pod.spec?.hostNetwork !== true && podAddresses(this.#pod).includes(destination))
    );
  }

  #deliverInside(): Trace['outcome'] {
    const { destination, destinationPort } = this.#packet;
    const loopback = isLoopback(destination);
    const isHostNetwork = this.#pod.spec?.hostNetwork === true;
    if (loopback) this.#packet = { ...this.#packet, source: destination };
    const whose = isHostNetwork ? `${nameOf(this.#node)}, whose network the pod uses` : 'the pod itself';
    this.#add(isHostNetwork ? nodePlace(this.#node) : podPlace(this.#pod), {
      ...BY_LOOPBACK,
      action: 'deliver',
      summary: `${isHostNetwork ? 'stays in the node' : 'stays in the pod'}, by lo`,
      decidedBy: loopback ? networkDecision(this.#pod) : podDecision(this.#pod, destination),
      explain: `${hostPort(destination, destinationPort)} belongs to ${whose}, and the kernel delivers what is sent to an own address over lo.`,
    });
    return 'delivered';
  }

  #leavePod(): void {
    const family = tryParseIp(this.#packet.destination)?.family ?? 4;
    this.#add(podPlace(this.#pod), {
      action: 'send',
      outputInterface: 'eth0',
      summary: `default route via ${GATEWAYS[family]}`,
      mtuBytes: this.#view.mtuBytes,
      decidedBy: podDecision(this.#pod, this.#packet.source),
      explain:
        `The pod has the address ${this.#packet.source} on eth0 and one route, the default, ` +
        `by way of ${GATEWAYS[family]}: an address no interface has, which the node's end of the link answers for.`,
    });
  }

  /** Whether the packet goes on: an endpoint took it. */
  #passService(port: PlannedPort, endpoint: PlannedEndpoint | undefined, input: string | undefined): boolean {
    const front = hostPort(port.address, port.port);
    const where = input === undefined ? {} : { inputInterface: input };
    const skipped = port.inside.skipped.map(
      ({ address, source, reason }) =>
        `not ${address}: ${reason} (EndpointSlice ${source.slice} ${source.field})`,
    );
    if (endpoint === undefined) {
      const protocolError = port.protocol === 'tcp' ? 'TCP reset' : 'ICMP port unreachable';
      this.#add(nodePlace(this.#node), {
        ...where,
        action: 'reject',
        summary: `Service without endpoints: ${protocolError}`,
        decidedBy: serviceDecision(port),
        explain: `No endpoint of Service ${port.service} takes port ${port.port}/${port.protocol}, so ${front} answers at once with ${protocolError}.`,
        details: skipped,
      });
      return false;
    }
    const place = port.inside.endpoints.indexOf(endpoint);
    const count = port.inside.endpoints.length;
    const to = hostPort(endpoint.address, endpoint.port);
    this.#packet = { ...this.#packet, destination: endpoint.address, destinationPort: endpoint.port };
    this.#add(nodePlace(this.#node), {
      ...where,
      action: 'dnat',
      summary: `DNAT to ${to}${count > 1 ? ` (${place + 1} of ${count}, ${percent(1 / count)} each)` : ''}`,
      decidedBy: endpointDecision(endpoint),
      explain:
        `${front} is ${port.field} of Service ${port.service}; ` +
        `${count === 1 ? 'its only endpoint is' : `each of its ${count} endpoints (${port.inside.chosenBy}) gets the same share, here`} ` +
        `${to}${endpoint.source.target === undefined ? '' : `, ${endpoint.source.target}`}.`,
      details: [
        ...port.inside.endpoints
          .filter((other) => other !== endpoint)
          .map((other) => `or ${hostPort(other.address, other.port)} ${other.source.target ?? ''}`.trimEnd()),
        ...skipped,
      ],
    });
    return true;
  }

  #routeFromSourceNode(input: string | undefined): Trace['outcome'] {
    const { destination } = this.#packet;
    const view = this.#view;
    if (view.clusterDns.includes(destination))
      return this.#deliverToNode(this.#node, input, clusterDnsDecision(view));
    const localNode = view.nodeByAddress(destination);
    if (localNode !== undefined && nameOf(localNode) === nameOf(this.#node)) {
      return this.#deliverToNode(this.#node, input, nodeAddressDecision(this.#node, destination));
    }
    const pod = view.podByAddress(destination);
    if (pod?.spec?.nodeName === nameOf(this.#node)) return this.#routeToLocalPod(this.#node, pod, input);
    const plan = view.routePlan(nameOf(this.#node));
    const planned = routeFor(plan, destination);
    if (planned?.type === 'unreachable') return this.#rejectUnreachable(this.#node, planned, input);
    return this.#routeAway(planned, { input, pod, node: localNode });
  }

  /** Out of the source node's uplink: to another node, or to the world. */
  #routeAway(
    planned: PlannedRoute | undefined,
    { input, pod, node }: { input: string | undefined; pod: Pod | undefined; node: Node | undefined },
  ): Trace['outcome'] {
    const { destination } = this.#packet;
    const view = this.#view;
    const route =
      planned !== undefined
        ? printRoute(planned)
        : node !== undefined
          ? `${destination} on the nodes' network`
          : "the node's own routes";
    const next = planned?.gateway === undefined ? node : view.nodeByAddress(planned.gateway);
    this.#add(nodePlace(this.#node), {
      ...(input !== undefined && { inputInterface: input }),
      outputInterface: 'eth0',
      action: 'route',
      summary: route,
      mtuBytes: view.mtuBytes,
      decidedBy:
        planned !== undefined
          ? reasonDecision(view, planned.reason, planned.dst)
          : node !== undefined
            ? nodeAddressDecision(node, destination)
            : outsideDecision(view),
      explain: explainRoute(planned, { destination, node, next }),
    });
    const leaves = planned === undefined && node === undefined;
    if (isMasqueraded(view.routePlan(nameOf(this.#node)), this.#packet)) this.#masqueradeToOutside();
    if (leaves) return this.#leaveCluster();
    if (next === undefined) throw unknownNextHop(planned?.gateway ?? destination);
    if (pod !== undefined) return this.#routeToLocalPod(next, pod, 'eth0');
    if (node !== undefined) return this.#deliverToNode(node, 'eth0', nodeAddressDecision(node, destination));
    const there = routeFor(view.routePlan(nameOf(next)), destination);
    return this.#rejectUnreachable(next, there ?? planned, 'eth0');
  }

  #routeToLocalPod(node: Node, pod: Pod, input: string | undefined): Trace['outcome'] {
    const { destination, source } = this.#packet;
    const output = this.#view.hostInterfaceOf(pod);
    this.#add(nodePlace(node), {
      ...(input !== undefined && { inputInterface: input }),
      outputInterface: output,
      action: 'route',
      summary: `${destination} on the pod's link`,
      mtuBytes: this.#view.mtuBytes,
      decidedBy: podDecision(pod, destination),
      explain: `Pod ${podName(pod)} runs on ${nameOf(node)}, which has a route to its address over the pod's own link.`,
    });
    if (source === destination && this.#aim.service !== undefined) this.#masqueradeHairpin(node, output);
    this.#add(podPlace(pod), {
      inputInterface: 'eth0',
      action: 'deliver',
      summary: this.#packet.source === this.#source ? 'arrives, source unchanged' : 'arrives',
      decidedBy: podDecision(pod, destination),
      explain: `Pod ${podName(pod)} sees a connection from ${this.#packet.source} to its own ${hostPort(destination, this.#packet.destinationPort)}.`,
    });
    return 'delivered';
  }

  get #source(): string {
    return sameFamily(podAddresses(this.#pod), this.#packet.destination) ?? '';
  }

  #masqueradeHairpin(node: Node, output: string): void {
    const source = ownAddress(node, this.#packet.destination);
    this.#packet = { ...this.#packet, source };
    this.#add(nodePlace(node), {
      outputInterface: output,
      action: 'masquerade',
      summary: `source becomes ${source}`,
      ...(this.#aim.service && { decidedBy: serviceDecision(this.#aim.service) }),
      explain:
        'The Service chose the pod that asked. The answer must come back through the node, so the node lends its address.',
    });
  }

  #masqueradeToOutside(): void {
    const source = ownAddress(this.#node, this.#packet.destination);
    this.#packet = { ...this.#packet, source };
    this.#add(nodePlace(this.#node), {
      outputInterface: 'eth0',
      action: 'masquerade',
      summary: `source becomes ${source}`,
      decidedBy: nodeAddressDecision(this.#node, source),
      explain: `${this.#packet.destination} is neither a pod nor a node and knows no way back to pods, so the packet leaves with the address of ${nameOf(this.#node)}.`,
    });
  }

  #deliverToNode(node: Node, input: string | undefined, decidedBy: Decision): Trace['outcome'] {
    const isDns = this.#view.clusterDns.includes(this.#packet.destination);
    this.#add(nodePlace(node), {
      ...(input === undefined
        ? BY_LOOPBACK
        : { inputInterface: input, ...(isDns && { outputInterface: 'lo' }) }),
      action: 'deliver',
      summary: isDns ? "the node's own cluster DNS answers" : 'arrives at the node itself',
      decidedBy,
      explain: isDns
        ? `Every node has the cluster DNS address ${this.#packet.destination} on its lo and answers by itself.`
        : `${this.#packet.destination} is an address of ${nameOf(node)}.`,
    });
    return 'delivered';
  }

  #leaveCluster(): Trace['outcome'] {
    this.#add(
      { kind: 'outside', name: this.#packet.destination },
      {
        action: 'deliver',
        summary: 'outside the cluster',
        explain: `${this.#packet.destination} is no pod and no node: what happens there is not known here.`,
      },
    );
    return 'leaves the cluster';
  }

  #rejectUnreachable(
    node: Node,
    route: PlannedRoute | undefined,
    input: string | undefined,
  ): Trace['outcome'] {
    const { destination } = this.#packet;
    this.#add(nodePlace(node), {
      ...(input !== undefined && { inputInterface: input }),
      action: 'reject',
      summary: 'no pod has this address: ICMP host unreachable',
      ...(route && { decidedBy: reasonDecision(this.#view, route.reason, route.dst) }),
      explain: `${destination} lies in ${route?.dst ?? 'the pods’ range'}, but no pod has it, so ${nameOf(node)} answers that it is unreachable.`,
    });
    return 'rejected';
  }

  #add(place: Place, hop: Omit<Hop, 'place' | 'packet'>): void {
    this.hops.push({ place, packet: this.#packet, ...hop });
  }
}

/** What a host sends to itself leaves and enters there. */
const BY_LOOPBACK = { inputInterface: 'lo', outputInterface: 'lo' } as const;

/** 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1 (RFC 4291, 2.5.3). */
function isLoopback(address: string): boolean {
  return address === '::1' || (tryParseIp(address)?.family === 4 && address.startsWith('127.'));
}

function chooseEndpoint(
  port: PlannedPort | undefined,
  wanted: string | undefined,
): PlannedEndpoint | undefined {
  if (port === undefined || wanted === undefined) return port?.inside.endpoints[0];
  const found = port.inside.endpoints.find(
    (endpoint) => hostPort(endpoint.address, endpoint.port) === wanted,
  );
  if (found !== undefined) return found;
  throw new PodnetError(`${wanted} is no endpoint of Service ${port.service}`, {
    code: 'trace-unknown-endpoint',
    where: `Service ${port.service} ${port.field}`,
    fix: `Its endpoints: ${port.inside.endpoints.map(({ address, port: to }) => hostPort(address, to)).join(', ') || 'none'}.`,
  });
}

function endpointsOf(port: PlannedPort | undefined): TraceEndpoint[] {
  return (port?.inside.endpoints ?? []).map((endpoint) => {
    const { target, nodeName } = endpoint.source;
    const found: TraceEndpoint = {
      address: endpoint.address,
      port: endpoint.port,
      share: 1 / (port?.inside.endpoints.length ?? 1),
      decidedBy: endpointDecision(endpoint),
    };
    return Object.assign(
      found,
      target === undefined ? {} : { pod: target.replace(/^Pod /, '') },
      nodeName === undefined ? {} : { node: nodeName },
    );
  });
}

function explainRoute(
  planned: PlannedRoute | undefined,
  { destination, node, next }: { destination: string; node: Node | undefined; next: Node | undefined },
): string {
  if (planned !== undefined) {
    return `${planned.dst} are the pods of ${next === undefined ? 'another node' : nameOf(next)}, reached by way of its address ${planned.gateway}.`;
  }
  if (node !== undefined)
    return `${destination} is the address of ${nameOf(node)}, on the network the nodes share.`;
  return `${destination} is in no range of the cluster, so the routes the node had before podnet, its default route in the end, take it.`;
}

function nodeOf(view: TraceView, pod: Pod): Node {
  const nodeName = pod.spec?.nodeName;
  const node = view.nodes.find(({ metadata }) => metadata?.name === nodeName);
  if (node !== undefined) return node;
  throw new PodnetError(`Pod ${podName(pod)} is on ${nodeName ?? 'no node'}, which does not exist`, {
    code: 'trace-unknown-node',
    where: `Pod ${podName(pod)} spec.nodeName`,
    fix: `The nodes are: ${view.nodes.map(nameOf).join(', ') || 'none'}.`,
  });
}

function unknownNextHop(address: string): PodnetError {
  return new PodnetError(`No node has the address ${address}`, {
    code: 'trace-unknown-node',
    where: 'Nodes, status.addresses',
    fix: 'See kubectl get nodes -o wide: the node may have gone while the trace was made. Trace again.',
  });
}

function ownAddress(node: Node, like: string): string {
  return sameFamily(nodeAddresses(node), like) ?? nodeAddresses(node)[0] ?? '';
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
