/** What a node's Service rules do with a packet: the hop of a Service's address, of every kind. */
import { PodnetError } from '../model/errors.ts';
import {
  type ClientKind,
  type EndpointChoice,
  type PlannedEndpoint,
  type PlannedPort,
  choiceFor,
  hostPort,
  isInAny,
} from '../services/plan.ts';
import { endpointDecision, serviceDecision } from './decisions.ts';
import type { Hop, HopPacket, TraceEndpoint } from './trace.ts';

export interface ServiceStep {
  readonly port: PlannedPort;
  readonly choice: EndpointChoice;
  /** The one that is followed; undefined when the packet ends here. */
  readonly endpoint: PlannedEndpoint | undefined;
  readonly hop: Pick<Hop, 'action' | 'summary' | 'decidedBy' | 'explain' | 'details'>;
}

export interface ServiceStepOptions {
  readonly client: ClientKind;
  readonly packet: HopPacket;
  /** The endpoint to follow, `ADDRESS:PORT`; the first unless told. */
  readonly wanted?: string | undefined;
}

/** Applies a Service's port to a packet. Throws `PodnetError` when the endpoint to follow is none of its endpoints. */
export function stepThroughService(port: PlannedPort, options: ServiceStepOptions): ServiceStep {
  const { client, packet, wanted } = options;
  const choice = choiceFor(port, client);
  const end = (hop: ServiceStep['hop']): ServiceStep => ({ port, choice, endpoint: undefined, hop });
  const { sourceRanges } = port;
  if (sourceRanges !== undefined && !isInAny(packet.source, sourceRanges)) {
    return end({
      action: 'drop',
      summary: `${packet.source} may not: dropped`,
      decidedBy: {
        ...serviceDecision(port),
        field: 'spec.loadBalancerSourceRanges',
        value: sourceRanges.join(', '),
      },
      explain: `Only ${sourceRanges.join(', ') || 'nobody'} may reach ${front(port)}, and ${packet.source} is not of these.`,
    });
  }
  const endpoint = chooseEndpoint(port, choice, wanted);
  return endpoint === undefined
    ? end(endHop(port, choice))
    : { port, choice, endpoint, hop: dnatHop(port, choice, endpoint) };
}

function chooseEndpoint(
  port: PlannedPort,
  { endpoints }: EndpointChoice,
  wanted: string | undefined,
): PlannedEndpoint | undefined {
  if (wanted === undefined) return endpoints[0];
  const found = endpoints.find(({ address, port: to }) => hostPort(address, to) === wanted);
  if (found !== undefined) return found;
  throw new PodnetError(`${wanted} is no endpoint of Service ${port.service}`, {
    code: 'trace-unknown-endpoint',
    where: `Service ${port.service} ${port.field}`,
    fix: `Its endpoints: ${endpoints.map(({ address, port: to }) => hostPort(address, to)).join(', ') || 'none'}.`,
  });
}

/** No endpoint: refused, or left without an answer so that a load balancer tries another node. */
function endHop(port: PlannedPort, choice: EndpointChoice): ServiceStep['hop'] {
  const details = skippedLines(choice);
  const what = `port ${port.port}/${port.protocol}`;
  if (choice.whenNone === 'drop') {
    return {
      action: 'drop',
      summary: 'no endpoint on this node: dropped',
      decidedBy: { ...serviceDecision(port), field: choice.scopeField, value: 'Local' },
      explain: `${choice.scopeField} of Service ${port.service} is Local and none of its endpoints for ${what} is on this node, so the packet is dropped: whoever balances over the nodes shall try another.`,
      details,
    };
  }
  const error = port.protocol === 'tcp' ? 'TCP reset' : 'ICMP port unreachable';
  return {
    action: 'reject',
    summary: `Service without endpoints: ${error}`,
    decidedBy: serviceDecision(port),
    explain: `No endpoint of Service ${port.service} takes ${what}, so ${front(port)} answers at once with ${error}.`,
    details,
  };
}

function dnatHop(port: PlannedPort, choice: EndpointChoice, endpoint: PlannedEndpoint): ServiceStep['hop'] {
  const { endpoints } = choice;
  const count = endpoints.length;
  const place = endpoints.indexOf(endpoint);
  const to = hostPort(endpoint.address, endpoint.port);
  const share = `${Math.round(100 / count)} %`;
  const target = endpoint.source.target === undefined ? '' : `, ${endpoint.source.target}`;
  const others =
    count === 1
      ? 'its only endpoint is'
      : `each of its ${count} endpoints (${ruleOf(choice)}) gets the same share, here`;
  const stays =
    port.affinitySeconds === undefined
      ? ''
      : ` A client's address stays with its endpoint until it has been quiet for ${port.affinitySeconds} s.`;
  return {
    action: 'dnat',
    summary: `DNAT to ${to}${count > 1 ? ` (${place + 1} of ${count}, ${share} each${scopeWords(choice)})` : ''}`,
    decidedBy: endpointDecision(endpoint),
    explain: `${front(port)} is ${nameOfFront(port)} of Service ${port.service}; ${others} ${to}${target}.${stays}`,
    details: [
      ...(port.affinitySeconds === undefined
        ? []
        : [`affinity: spec.sessionAffinity is ClientIP, ${port.affinitySeconds} s`]),
      ...(count === 1 && choice.scope !== 'cluster' ? [`rule: ${ruleOf(choice)}`] : []),
      ...endpoints
        .filter((other) => other !== endpoint)
        .map((other) => `or ${hostPort(other.address, other.port)} ${other.source.target ?? ''}`.trimEnd()),
      ...skippedLines(choice),
    ],
  };
}

/** `ready`, `ready, on this node by spec.externalTrafficPolicy`. */
function ruleOf({ chosenBy, scope, scopeField }: EndpointChoice): string {
  if (scope === 'cluster') return chosenBy;
  return `${chosenBy}, ${scope === 'node' ? 'on this node' : scope} by ${scopeField}`;
}

function scopeWords({ scope }: EndpointChoice): string {
  if (scope === 'cluster') return '';
  return scope === 'node' ? ', on this node' : `, ${scope}`;
}

function skippedLines({ skipped }: EndpointChoice): readonly string[] {
  return skipped.map(
    ({ address, source, reason }) =>
      `not ${address}: ${reason} (EndpointSlice ${source.slice} ${source.field})`,
  );
}

function front(port: PlannedPort): string {
  return port.kind === 'nodePort' ? `port ${port.port} of this node` : hostPort(port.address, port.port);
}

function nameOfFront({ kind, field, addressField }: PlannedPort): string {
  return kind === 'clusterIP' ? field : kind === 'nodePort' ? addressField : `${addressField}, ${field},`;
}

/** Whose address gives way to the node's, and why; undefined when the sender's is kept. */
export function masqueradeReason(
  { port }: ServiceStep,
  {
    client,
    source,
    destination,
    isOwn,
  }: { client: ClientKind; source: string; destination: string; isOwn: boolean },
): string | undefined {
  if (source === destination)
    return 'The Service chose the pod that asked. The answer must come back through the node, so the node lends its address.';
  if (isOwn || !port.masquerade.includes(client)) return undefined;
  return client === 'outside'
    ? `The packet came to ${front(port)} from elsewhere and may go on to another node: the answer must come back the same way, so the node lends its address.`
    : `A process of the node itself asked for ${front(port)}: the answer must come back to an address of the node that others can reach.`;
}

export function endpointsOf({
  choice,
  endpoint: followed,
}: ServiceStep): (TraceEndpoint & { followed: boolean })[] {
  const { endpoints } = choice;
  return endpoints.map((endpoint) => {
    const { target, nodeName } = endpoint.source;
    return {
      address: endpoint.address,
      port: endpoint.port,
      share: 1 / endpoints.length,
      decidedBy: endpointDecision(endpoint),
      ...(target !== undefined && { pod: target.replace(/^Pod /, '') }),
      ...(nodeName !== undefined && { node: nodeName }),
      followed: endpoint === followed,
    };
  });
}
