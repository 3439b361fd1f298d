import { isIPv4 } from 'node:net';
import { type IpFamily, formatIp, tryParseIp } from '../model/ip.ts';
import {
  type Endpoint,
  type EndpointSlice,
  type Service,
  type ServicePort,
  objectKey,
} from '../model/objects.ts';
import {
  type EndpointSource,
  type PlannedEndpoint,
  type PlannedPort,
  type SkippedEndpoint,
  hostPort,
} from './plan.ts';

export interface EndpointChoice {
  readonly endpoints: readonly PlannedEndpoint[];
  readonly chosenBy: PlannedPort['chosenBy'];
  readonly skipped: readonly SkippedEndpoint[];
}

interface Candidate {
  readonly endpoint: PlannedEndpoint;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/**
 * The endpoints that share the connections to one port of a Service, over all its slices: the ready ones; when there
 * is none, those that still serve while they terminate (KEP-1669); with `publishNotReadyAddresses`, all of them.
 */
export function chooseEndpoints(
  { service, port, family }: { service: Service; port: ServicePort; family: IpFamily },
  slices: Iterable<EndpointSlice>,
): EndpointChoice {
  const { candidates, skipped } = gather(port, family, slices);
  if (service.spec?.publishNotReadyAddresses === true) {
    return choice(candidates, 'publishNotReadyAddresses', skipped);
  }
  const ready = candidates.filter((candidate) => candidate.ready);
  if (ready.length > 0) return split(candidates, ready, { chosenBy: 'ready', skipped });
  const serving = candidates.filter((candidate) => candidate.serving && candidate.terminating);
  return split(candidates, serving, { chosenBy: 'serving while terminating', skipped });
}

function choice(
  chosen: readonly Candidate[],
  chosenBy: PlannedPort['chosenBy'],
  skipped: readonly SkippedEndpoint[],
): EndpointChoice {
  const endpoints = chosen.map(({ endpoint }) => endpoint);
  return { endpoints, chosenBy: endpoints.length === 0 ? 'nothing' : chosenBy, skipped };
}

function split(
  candidates: readonly Candidate[],
  chosen: readonly Candidate[],
  { chosenBy, skipped }: { chosenBy: PlannedPort['chosenBy']; skipped: readonly SkippedEndpoint[] },
): EndpointChoice {
  if (chosen.length === candidates.length) return choice(chosen, chosenBy, skipped);
  const taken = new Set(chosen);
  const left = candidates
    .filter((candidate) => !taken.has(candidate))
    .map(({ endpoint: { address, source }, serving, terminating }) => ({
      address,
      source,
      reason: stateOf(serving, terminating),
    }));
  return choice(chosen, chosenBy, [...skipped, ...left]);
}

function stateOf(serving: boolean, terminating: boolean): string {
  if (!terminating) return 'conditions.ready is false';
  return serving ? 'conditions.terminating is true and others are ready' : 'conditions.terminating is true';
}

/** Every endpoint that offers the port in the family, once, in the order of slices' names and places in them. */
function gather(
  port: ServicePort,
  family: IpFamily,
  slices: Iterable<EndpointSlice>,
): { candidates: Candidate[]; skipped: SkippedEndpoint[] } {
  const candidates = new Map<string, Candidate>();
  const skipped: SkippedEndpoint[] = [];
  for (const slice of slices) {
    if (slice.addressType !== (family === 4 ? 'IPv4' : 'IPv6')) continue;
    const number = targetPort(slice, port);
    const key = objectKey(slice);
    for (const [index, endpoint] of (slice.endpoints ?? []).entries()) {
      const source = sourceOf(key, index, endpoint);
      const [text = ''] = endpoint.addresses ?? [];
      const address = readAddress(text, family);
      if (address === undefined) {
        skipped.push({ address: text, source, reason: `addresses[0] is not an IPv${family} address` });
      } else if (number === undefined) {
        skipped.push({ address, source, reason: `ports has no ${wantedPort(port)}` });
      } else {
        const candidate = { endpoint: { address, port: number, source }, ...conditionsOf(endpoint) };
        const at = hostPort(address, number);
        const known = candidates.get(at);
        // The same address in two slices, as while an endpoint moves from one to the other: the better state counts.
        if (known === undefined || rank(candidate) > rank(known)) candidates.set(at, candidate);
      }
    }
  }
  return { candidates: [...candidates.values()], skipped };
}

function rank({ ready, serving }: Candidate): number {
  if (ready) return 2;
  return serving ? 1 : 0;
}

/** Conditions that are absent mean ready and serving, and not terminating (discovery.k8s.io/v1). */
function conditionsOf({ conditions }: Endpoint): { ready: boolean; serving: boolean; terminating: boolean } {
  const ready = conditions?.ready ?? true;
  return { ready, serving: conditions?.serving ?? ready, terminating: conditions?.terminating ?? false };
}

/** The number behind the Service port in this slice: slices carry the resolved `targetPort` by the port's name. */
function targetPort(slice: EndpointSlice, { name = '', protocol = 'TCP' }: ServicePort): number | undefined {
  const found = slice.ports?.find(
    (port) => (port.name ?? '') === name && (port.protocol ?? 'TCP') === protocol,
  );
  return isPort(found?.port) ? found.port : undefined;
}

/** One bad number in an object must not make the kernel refuse the batch with everything else. */
export function isPort(number: number | undefined): number is number {
  return number !== undefined && Number.isInteger(number) && number > 0 && number < 65_536;
}

function wantedPort({ name, protocol = 'TCP' }: ServicePort): string {
  return name === undefined || name === ''
    ? `unnamed ${protocol} port`
    : `${protocol} port ${JSON.stringify(name)}`;
}

function sourceOf(slice: string, index: number, { targetRef, nodeName }: Endpoint): EndpointSource {
  const target =
    targetRef === undefined
      ? undefined
      : `${targetRef.kind ?? 'object'} ${objectKey({ metadata: targetRef })}`;
  return {
    slice,
    field: `endpoints[${index}]`,
    ...(target === undefined ? {} : { target }),
    ...(nodeName === undefined ? {} : { nodeName }),
  };
}

/** Canonical text, or undefined for what is no address of the family. */
export function readAddress(text: string, family: IpFamily): string | undefined {
  // What node:net takes for IPv4 is canonical already: this is where a full load spends its time.
  if (isIPv4(text)) return family === 4 ? text : undefined;
  const ip = tryParseIp(text);
  return ip?.family === family ? formatIp(ip) : undefined;
}
