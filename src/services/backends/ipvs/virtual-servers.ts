import type { RealServer, VirtualServer, VirtualServerKey } from '../../../kernel/ipvs/ipvs.ts';
import type { IpFamily } from '../../../model/ip.ts';
import {
  type EndpointChoice,
  type NodeFacts,
  type PlannedPort,
  type Protocol,
  servesNodePorts,
} from '../../plan.ts';

/** A virtual server with the real servers that take new connections. */
export interface PlannedServer {
  readonly server: VirtualServer;
  readonly reals: readonly RealServer[];
}

/** An address, protocol and port that packets are sent to. */
export type FrontKey = readonly [address: string, protocol: Protocol, port: number];

/** What becomes of packets to one front before IPVS sees them. */
export interface FrontRules {
  readonly key: FrontKey;
  readonly family: IpFamily;
  /** The address is this front's own, to be bound on the node; else it is the node's already. */
  readonly isBound: boolean;
  readonly masquerade: PlannedPort['masquerade'];
  readonly sourceRanges?: readonly string[];
  /** Of new connections from pods and the node, and of those from outside; undefined: to the endpoints. */
  readonly refuseInside?: EndpointChoice['whenNone'];
  readonly refuseOutside?: EndpointChoice['whenNone'];
  /** The mark by which connections from outside find endpoints of their own. */
  readonly outsideMark?: number;
}

export interface PlannedFront {
  readonly servers: readonly PlannedServer[];
  readonly rules: readonly FrontRules[];
}

/** What a port of the plan means for IPVS. `markOf` numbers the fronts whose clients from outside are told apart. */
export function planFront(
  port: PlannedPort,
  { node, markOf }: { node: NodeFacts; markOf: () => number },
): PlannedFront {
  const { inside, outside, family, protocol, kind } = port;
  const addresses =
    kind === 'nodePort'
      ? node.addresses.filter(
          (address) => (address.includes(':') ? 6 : 4) === family && servesNodePorts(node, address),
        )
      : [port.address];
  const isSplit = outside.endpoints.length > 0 && !sameEndpoints(inside, outside);
  const outsideMark = isSplit ? markOf() : undefined;
  const servers: PlannedServer[] = [];
  const rules: FrontRules[] = [];
  for (const address of addresses) {
    if (inside.endpoints.length > 0) {
      servers.push(planServer(port, { address, port: port.port, protocol }, inside));
    }
    rules.push({
      key: [address, protocol, port.port],
      family,
      isBound: kind !== 'nodePort' && !node.addresses.includes(address),
      masquerade: port.masquerade,
      ...(port.sourceRanges && { sourceRanges: port.sourceRanges }),
      ...(inside.endpoints.length === 0 && { refuseInside: inside.whenNone }),
      ...(outside.endpoints.length === 0 && { refuseOutside: outside.whenNone }),
      ...(outsideMark !== undefined && { outsideMark }),
    });
  }
  if (outsideMark !== undefined) servers.push(planServer(port, { mark: outsideMark, family }, outside));
  return { servers, rules };
}

function planServer(
  { affinitySeconds }: PlannedPort,
  key: VirtualServerKey,
  { endpoints }: EndpointChoice,
): PlannedServer {
  const reals = endpoints.map(({ address, port }) => ({ address, port, weight: 1 }));
  if (affinitySeconds === undefined) return { server: { key, scheduler: 'rr' }, reals };
  // Persistence of a marked server keeps the port a packet came to, which is not the endpoint's: there a hash of the
  // client's address keeps it with its endpoint, for good.
  if ('mark' in key) return { server: { key, scheduler: 'sh' }, reals };
  return { server: { key, scheduler: 'rr', persistenceSeconds: affinitySeconds }, reals };
}

function sameEndpoints(a: EndpointChoice, b: EndpointChoice): boolean {
  if (a === b) return true;
  const known = new Set(a.endpoints.map(({ address, port }) => `${address} ${port}`));
  return (
    a.endpoints.length === b.endpoints.length &&
    b.endpoints.every(({ address, port }) => known.has(`${address} ${port}`))
  );
}
