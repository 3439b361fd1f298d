import { isMasqueraded, type PlannedRoute, printRoute, routeFor } from '../fabric/plan.ts';
import { nodeAddresses } from '../model/addresses.ts';
import { PodnetError } from '../model/errors.ts';
import { tryParseIp } from '../model/ip.ts';
import type { Node, Pod } from '../model/objects.ts';
import { type ClientKind, findPort, hostPort } from '../services/plan.ts';
import {
  clusterDnsDecision,
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
import { leavePod } from './leave-pod.ts';
import { type Aim, takeAim } from './destination.ts';
import type { TraceRequest } from './request.ts';
import { type ServiceStep, endpointsOf, masqueradeReason, stepThroughService } from './service-hop.ts';
import { type Source, findSource, printedSource } from './sources.ts';
import type { Decision, Hop, HopPacket, Place, Protocol, Trace } from './trace.ts';
import { sameFamily, type TraceView } from './view.ts';

/**
 * Predicts the way of a packet: what the plans of every node on the way do with it, and which object and field
 * decides each step. Touches no kernel. Throws `PodnetError` when the request makes no sense of the objects.
 */
export function tracePacket(view: TraceView, request: TraceRequest): Trace {
  const namespace = request.namespace ?? 'default';
  const protocol = request.protocol ?? 'tcp';
  const source = findSource(view, request.source, namespace);
  const aim = takeAim(view, request.destination, { source, namespace, protocol });
  const walk = new Walk(view, { source, aim, protocol, endpoint: request.endpoint });
  const outcome = walk.run();
  return {
    source: printedSource(source),
    destination: request.destination,
    protocol,
    hops: walk.hops,
    endpoints: walk.step === undefined ? [] : endpointsOf(walk.step),
    aim: { address: aim.address, port: aim.port },
    outcome,
    sourceKept:
      outcome !== 'rejected' &&
      outcome !== 'dropped' &&
      walk.hops.every(({ action }) => action !== 'masquerade'),
  };
}

interface WalkOptions {
  readonly source: Source;
  readonly aim: Aim;
  readonly protocol: Protocol;
  readonly endpoint: string | undefined;
}

/** What a node must know of a packet that comes to it. */
interface Arrival {
  readonly node: Node;
  /** Undefined for what the node itself sends. */
  readonly input: string | undefined;
  readonly client: ClientKind;
}

/** Every node a packet passes is asked the same questions in the kernel's order: Service, route, masquerade. */
class Walk {
  readonly hops: Hop[] = [];
  /** What a Service made of the packet. */
  step: ServiceStep | undefined;
  readonly #view: TraceView;
  readonly #options: WalkOptions;
  /** Who asked, as the node whose Service rules met the packet saw it. */
  #client: ClientKind = 'outside';
  #packet: HopPacket;

  constructor(view: TraceView, options: WalkOptions) {
    this.#view = view;
    this.#options = options;
    const { source, aim } = options;
    const own = sameFamily(source.addresses, aim.address) ?? source.addresses[0] ?? '';
    this.#packet = { source: own, destination: aim.address, destinationPort: aim.port };
  }

  run(): Trace['outcome'] {
    const { source, aim } = this.#options;
    if (aim.nameHop !== undefined) this.hops.push(aim.nameHop);
    if (source.kind === 'world') return this.#leaveWorld();
    if (this.#staysInside(source)) return this.#deliverInside(source);
    if (source.kind === 'node' || source.pod.spec?.hostNetwork === true)
      return this.#arrive({ node: source.node, input: undefined, client: 'node' });
    this.#leavePod(source.pod, source.node);
    return this.#arrive({
      node: source.node,
      input: this.#view.hostInterfaceOf(source.pod),
      client: 'pod',
    });
  }

  /** Whether the sender's own kernel has the address: one of the pod's, or the loopback's. */
  #staysInside(source: Exclude<Source, { kind: 'world' }>): boolean {
    const { destination } = this.#packet;
    if (isLoopback(destination)) return true;
    return (
      source.kind === 'pod' && source.pod.spec?.hostNetwork !== true && source.addresses.includes(destination)
    );
  }

  #deliverInside(source: Exclude<Source, { kind: 'world' }>): Trace['outcome'] {
    const { destination, destinationPort } = this.#packet;
    const loopback = isLoopback(destination);
    const isHost = source.kind === 'node' || source.pod.spec?.hostNetwork === true;
    if (loopback) this.#packet = { ...this.#packet, source: destination };
    const whose =
      source.kind === 'node'
        ? nameOf(source.node)
        : isHost
          ? `${nameOf(source.node)}, whose network the pod uses`
          : 'the pod itself';
    const decidedBy =
      source.kind === 'node'
        ? nodeAddressDecision(source.node, destination)
        : loopback
          ? networkDecision(source.pod)
          : podDecision(source.pod, destination);
    this.#add(source.kind === 'pod' && !isHost ? podPlace(source.pod) : nodePlace(source.node), {
      ...BY_LOOPBACK,
      action: 'deliver',
      summary: `${isHost ? 'stays in the node' : 'stays in the pod'}, by lo`,
      decidedBy,
      explain: `${hostPort(destination, destinationPort)} belongs to ${whose}, and the kernel delivers what is sent to an own address over lo.`,
    });
    return 'delivered';
  }

  #leavePod(pod: Pod, node: Node): void {
    this.#add(podPlace(pod), {
      action: 'send',
      outputInterface: 'eth0',
      mtuBytes: this.#view.mtuBytes,
      decidedBy: podDecision(pod, this.#packet.source),
      ...leavePod(this.#packet, { linkMode: this.#view.linkMode ?? 'routed', node }),
    });
  }

  /** From beside the cluster: to the node that has the address, or that says so. */
  #leaveWorld(): Trace['outcome'] {
    const { destination } = this.#packet;
    const place: Place = { kind: 'outside', name: 'world' };
    const owner = this.#view.nodeByAddress(destination);
    const node = owner ?? this.#view.announcerOf?.(destination);
    if (node === undefined) {
      this.#add(place, {
        action: 'reject',
        summary: `no way to ${destination}: nobody announces it`,
        explain: `${destination} is no address of a node's own. Which node gets what is sent there is for routes outside the cluster to say, and there is none: an external IP or a load balancer's address needs somebody who announces it.`,
      });
      return 'rejected';
    }
    this.#add(place, {
      action: 'send',
      summary: `to ${nameOf(node)}`,
      decidedBy: nodeAddressDecision(node, ownAddress(node, destination)),
      explain:
        owner === undefined
          ? `${nameOf(node)} announces ${destination} to the world.`
          : `${destination} is the address of ${nameOf(node)}, on the network the nodes share with the world.`,
    });
    return this.#arrive({ node, input: 'eth0', client: 'outside' });
  }

  /** A packet at a node: Service first, then where it goes. */
  #arrive(arrival: Arrival): Trace['outcome'] {
    const { destination, destinationPort: port } = this.#packet;
    if (this.step === undefined) {
      const { protocol } = this.#options;
      const planned = findPort(this.#view.servicePlan(nameOf(arrival.node)), {
        address: destination,
        port,
        protocol,
      });
      if (planned !== undefined) {
        const end = this.#passService(arrival, planned);
        if (end !== undefined) return end;
      }
    }
    return this.#route(arrival);
  }

  /** Undefined when the packet goes on: an endpoint took it. */
  #passService(
    { node, input, client }: Arrival,
    planned: ServiceStep['port'],
  ): 'rejected' | 'dropped' | undefined {
    this.#client = client;
    const wanted = this.#options.endpoint;
    this.step = stepThroughService(planned, { client, packet: this.#packet, wanted });
    const { endpoint, hop } = this.step;
    if (endpoint !== undefined)
      this.#packet = { ...this.#packet, destination: endpoint.address, destinationPort: endpoint.port };
    this.#add(nodePlace(node), { ...(input !== undefined && { inputInterface: input }), ...hop });
    if (endpoint !== undefined) return undefined;
    return hop.action === 'drop' ? 'dropped' : 'rejected';
  }

  #route(arrival: Arrival): Trace['outcome'] {
    const { node, input } = arrival;
    const { destination } = this.#packet;
    const view = this.#view;
    if (view.clusterDns.includes(destination))
      return this.#deliverToNode(node, input, clusterDnsDecision(view));
    const owner = view.nodeByAddress(destination);
    if (owner !== undefined && nameOf(owner) === nameOf(node))
      return this.#deliverToNode(node, input, nodeAddressDecision(node, destination));
    const pod = view.podByAddress(destination);
    if (pod?.spec?.nodeName === nameOf(node)) return this.#routeToLocalPod(arrival, pod);
    const planned = routeFor(view.routePlan(nameOf(node)), destination);
    if (planned?.type === 'unreachable') return this.#rejectUnreachable(node, planned, input);
    return this.#routeAway(arrival, { planned, owner });
  }

  /** Out of the node's uplink: to another node, or to the world. */
  #routeAway(
    { node, input }: Arrival,
    { planned, owner }: { planned: PlannedRoute | undefined; owner: Node | undefined },
  ): Trace['outcome'] {
    const { destination } = this.#packet;
    const view = this.#view;
    const route =
      planned !== undefined
        ? printRoute(planned)
        : owner !== undefined
          ? `${destination} on the nodes' network`
          : "the node's own routes";
    const next = planned?.gateway === undefined ? owner : view.nodeByAddress(planned.gateway);
    this.#add(nodePlace(node), {
      ...(input !== undefined && { inputInterface: input }),
      outputInterface: 'eth0',
      action: 'route',
      summary: route,
      mtuBytes: view.mtuBytes,
      decidedBy:
        planned !== undefined
          ? reasonDecision(view, planned.reason, planned.dst)
          : owner !== undefined
            ? nodeAddressDecision(owner, destination)
            : outsideDecision(view),
      explain: explainRoute(planned, { destination, node: owner, next }),
    });
    this.#masqueradeForService(node, 'eth0');
    if (isMasqueraded(view.routePlan(nameOf(node)), this.#packet)) this.#masqueradeToOutside(node);
    if (planned === undefined && owner === undefined) return this.#leaveCluster();
    if (next === undefined) throw unknownNextHop(planned?.gateway ?? destination);
    return this.#arrive({ node: next, input: 'eth0', client: 'outside' });
  }

  #routeToLocalPod({ node, input }: Arrival, pod: Pod): Trace['outcome'] {
    const { destination } = this.#packet;
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
    this.#masqueradeForService(node, output);
    const isSender = this.#options.source.addresses.includes(this.#packet.source);
    this.#add(podPlace(pod), {
      inputInterface: 'eth0',
      action: 'deliver',
      summary: isSender ? 'arrives, source unchanged' : 'arrives',
      decidedBy: podDecision(pod, destination),
      explain: `Pod ${podName(pod)} sees a connection from ${this.#packet.source} to its own ${hostPort(destination, this.#packet.destinationPort)}.`,
    });
    return 'delivered';
  }

  /** Once, where the Service's rules met the packet: what was sent on has the node's address already. */
  #masqueradeForService(node: Node, output: string): void {
    const { step } = this;
    const met = this.hops.some(({ action, place }) => action === 'dnat' && place.name === nameOf(node));
    if (step === undefined || !met) return;
    const { source: from, destination } = this.#packet;
    const isOwn = nodeAddresses(node).includes(destination);
    const explain = masqueradeReason(step, { client: this.#client, source: from, destination, isOwn });
    const source = ownAddress(node, destination);
    if (explain === undefined || source === from) return;
    this.#packet = { ...this.#packet, source };
    this.#add(nodePlace(node), {
      outputInterface: output,
      action: 'masquerade',
      summary: `source becomes ${source}`,
      decidedBy: serviceDecision(step.port),
      explain,
    });
  }

  #masqueradeToOutside(node: Node): void {
    const source = ownAddress(node, this.#packet.destination);
    this.#packet = { ...this.#packet, source };
    this.#add(nodePlace(node), {
      outputInterface: 'eth0',
      action: 'masquerade',
      summary: `source becomes ${source}`,
      decidedBy: nodeAddressDecision(node, source),
      explain: `${this.#packet.destination} is neither a pod nor a node and knows no way back to pods, so the packet leaves with the address of ${nameOf(node)}.`,
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
